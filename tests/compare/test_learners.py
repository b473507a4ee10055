"""Families of estimators beside scikit-learn itself, for all forms of targets, with gaps."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from sampleformer.compare.learners import Boosting, ExtraTrees, Learner, Linear, RandomForest
from sampleformer.errors import InputError
from sampleformer.models.fitted.columns import Columns
from sampleformer.tasks import Classification, MultiLabel, Regression
from sampleformer.tasks.columns import columns_of

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(120, 4)).astype(np.float32)
CLASSES = ((FEATURES[:, 0] > 0) * 2).astype(np.int64)  # class 1 never occurs
VALUES = (FEATURES[:, :1] - FEATURES[:, 1:2]).astype(np.float32)
LEARNERS = [Linear, RandomForest, ExtraTrees, Boosting]


def columns(task: Classification | MultiLabel | Regression, targets: np.ndarray) -> Columns:
    return columns_of(task, targets)


@pytest.fixture(autouse=True)
def small_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RandomForest, "trees", 10)


@pytest.mark.parametrize("learner", LEARNERS)
def test_classes_of_which_one_never_occurs(learner: type[Learner]) -> None:
    known = CLASSES.copy()
    known[:10] = -1
    for candidate in learner().candidates(FEATURES, columns(Classification("y", ["a", "b", "c"]), known), 0):
        outputs = candidate.predict(FEATURES)
        assert (outputs.dtype, outputs.shape) == (np.float32, (120, 3))
        np.testing.assert_allclose(np.exp(outputs[:, [0, 2]]).sum(1), 1, rtol=1e-4)
        assert np.exp(outputs[:, 1]).max() < 1e-6
        assert candidate.size > 0
    assert (outputs.argmax(1) == CLASSES).mean() > 0.8


@pytest.mark.parametrize("learner", LEARNERS)
def test_labels_some_with_nothing_to_learn(learner: type[Learner]) -> None:
    first = np.where(FEATURES[:, 3] > 1, np.nan, FEATURES[:, 0] > 0)
    targets = np.stack([first, np.ones(120), np.full(120, np.nan)], axis=1).astype(np.float32)
    right = []
    for candidate in learner().candidates(FEATURES, columns(MultiLabel(["a", "b", "c"]), targets), 0):
        outputs = candidate.predict(FEATURES)
        assert outputs.shape == (120, 3)
        assert outputs[:, 1].min() > 10
        assert np.abs(outputs[:, 2]).max() == 0
        right.append(((outputs[:, 0] > 0) == (FEATURES[:, 0] > 0)).mean())
    assert max(right) > 0.8


@pytest.mark.parametrize("learner", LEARNERS)
def test_gaps_in_the_features(learner: type[Learner]) -> None:
    missing = RANDOM.random(120) < 0.4
    features = np.where(missing[:, None] & (np.arange(4) == 1), np.nan, FEATURES)
    targets = columns(Classification("y", ["a", "b"]), missing.astype(np.int64))
    *_, last = learner().candidates(features, targets, 0)
    assert (last.predict(features).argmax(1) == missing).mean() > 0.9


@pytest.mark.parametrize("learner", LEARNERS)
def test_values_with_gaps(learner: type[Learner]) -> None:
    targets = np.concatenate([VALUES, np.where(FEATURES[:, 2:3] > 0, np.nan, VALUES)], axis=1)
    task = Regression(["a", "b"], [0.0, 0.0], [1.0, 1.0])
    errors = []
    for candidate in learner().candidates(FEATURES, columns(task, targets), 0):
        errors.append(np.abs(candidate.predict(FEATURES) - VALUES).mean())
    assert len(errors) >= 3
    assert min(errors) < 0.5


def test_the_numbers_are_those_of_scikit_learn() -> None:
    task, scaled = Classification("y", ["a", "b", "c"]), StandardScaler().fit_transform(FEATURES)
    candidates = list(Linear().candidates(FEATURES, columns(task, CLASSES), 0))
    for candidate, strength in zip(candidates, Linear.strengths, strict=True):
        assert candidate.words == f"C = {strength:g}"
        expected = LogisticRegression(C=strength, max_iter=300).fit(scaled, CLASSES).predict_proba(scaled)
        np.testing.assert_allclose(np.exp(candidate.predict(FEATURES)[:, [0, 2]]), expected, atol=1e-3)
    ridge = next(Linear().candidates(FEATURES, columns(Regression(["y"], [0.0], [1.0]), VALUES), 0))
    np.testing.assert_allclose(
        ridge.predict(FEATURES)[:, 0], Ridge(alpha=100).fit(scaled, VALUES[:, 0]).predict(scaled), atol=1e-4
    )
    trees = next(ExtraTrees().candidates(FEATURES, columns(task, CLASSES), 3))
    forest = ExtraTreesClassifier(10, min_samples_leaf=1, max_features="sqrt", random_state=3).fit(FEATURES, CLASSES)
    np.testing.assert_allclose(
        np.exp(trees.predict(FEATURES)[:, [0, 2]]), forest.predict_proba(FEATURES).clip(1e-7), rtol=1e-4
    )


def test_labels_share_a_forest_in_which_what_is_unknown_is_the_mean() -> None:
    targets = (FEATURES[:, :2] > 0).astype(np.float32)
    targets[::3, 1] = np.nan
    filled = np.where(np.isnan(targets), np.nanmean(targets, axis=0), targets)
    own = ExtraTreesRegressor(10, min_samples_leaf=1, max_features="sqrt", random_state=3).fit(FEATURES, filled)
    found = next(ExtraTrees().candidates(FEATURES, columns(MultiLabel(["a", "b"]), targets), 3))
    shares = own.predict(FEATURES).clip(1e-7, 1 - 1e-7)
    np.testing.assert_allclose(found.predict(FEATURES), np.log(shares / (1 - shares)), rtol=1e-4)
    assert found.size == sum(tree.tree_.node_count for tree in own.estimators_)


def test_columns_that_no_tree_can_split_change_nothing() -> None:
    rare = np.zeros((120, 3), np.float32)
    rare[:5] = 1  # of 120 rows at least 6 in a leaf
    task = Regression(["y"], [0.0], [1.0])
    for features in (np.concatenate([rare, FEATURES], axis=1), np.concatenate([FEATURES, rare], axis=1)):
        found = next(Boosting().candidates(features, columns(task, VALUES), 0))
        expected = HistGradientBoostingRegressor(
            max_iter=20, early_stopping=False, min_samples_leaf=6, random_state=0
        ).fit(features, VALUES[:, 0])
        np.testing.assert_allclose(found.predict(features)[:, 0], expected.predict(features), atol=1e-6)
    alone = next(Boosting().candidates(rare, columns(task, VALUES), 0))
    np.testing.assert_allclose(alone.predict(rare)[:, 0], VALUES.mean(), atol=1e-6)


def test_boosting_goes_on_with_its_trees() -> None:
    task = Regression(["y"], [0.0], [1.0])
    for candidate, trees in zip(Boosting().candidates(FEATURES, columns(task, VALUES), 0), (20, 40, 80), strict=False):
        assert (candidate.words, candidate.size) == (f"{trees} trees", trees)
        expected = HistGradientBoostingRegressor(
            max_iter=trees, early_stopping=False, min_samples_leaf=6, random_state=0
        ).fit(FEATURES, VALUES[:, 0])
        np.testing.assert_allclose(candidate.predict(FEATURES)[:, 0], expected.predict(FEATURES), atol=1e-5)


def test_another_seed_gives_another_forest() -> None:
    made = [
        next(RandomForest().candidates(FEATURES, columns(Classification("y", ["a", "b", "c"]), CLASSES), seed)).predict(
            FEATURES
        )
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()


class Ranking(Regression):
    """A task that learns by a loss of its own."""

    name = "ranking"
    losses = ("pairwise",)


def test_a_task_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match="the task 'ranking' learns by 'pairwise', expected one of cross_entropy"):
        columns_of(Ranking(["y"], [0.0], [1.0]), VALUES)
