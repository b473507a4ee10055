"""Forests as tensors beside scikit-learn's own answers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier

from sampleformer.errors import InputError
from sampleformer.models import DescriptorLinear, Forest, Model
from sampleformer.models.fitted import forest
from sampleformer.models.fitted.columns import Columns
from sampleformer.models.fitted.trees import Trees
from sampleformer.settings import validate
from sampleformer.tokens import Tokens
from tests.models.fitted.described import CLASSES, GAPS, INPUTS, LABELS, NUMBERS, RANDOM, VALUES, samples

TREES = 7


@pytest.fixture(autouse=True)
def _in_three_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees are grown in parts, which are those that scikit-learn grows at once."""
    monkeypatch.setattr(forest, "_TOGETHER", 3)


def fitted(columns: Columns, **settings: object) -> Forest:
    chosen = Forest.Settings.model_validate({"trees": TREES, "leaves": (2,)} | settings)
    return next(Forest.candidates(chosen, INPUTS, [samples(NUMBERS[:20]), samples(NUMBERS[20:])], columns, seed=3))


def smoothed(mean: np.ndarray, classes: int) -> np.ndarray:
    return (mean + 0.5 / TREES) / (1 + classes * 0.5 / TREES)


def options(share: float = 0.0) -> dict[str, object]:
    return {
        "n_estimators": TREES,
        "min_samples_leaf": 2,
        "max_features": max(1, round(max(2.0, share * 4))),
        "random_state": 3,
    }


ASKED = np.concatenate([NUMBERS, RANDOM.normal(size=(30, 4)).astype(np.float16)])


@pytest.mark.parametrize(("cuts", "kind"), [("random", ExtraTreesClassifier), ("best", RandomForestClassifier)])
def test_of_classes(cuts: str, kind: type) -> None:
    own = kind(**options()).fit(NUMBERS.astype(np.float32), CLASSES.targets[:, 0])
    mean = np.zeros((len(ASKED), 3))
    mean[:, [0, 2]] = own.predict_proba(ASKED.astype(np.float32))
    found = fitted(CLASSES, cuts=cuts)(samples(ASKED)).numpy()
    np.testing.assert_allclose(found, np.log(smoothed(mean, 3)), atol=1e-5)
    np.testing.assert_allclose(np.exp(found).sum(1), 1, atol=1e-5)


def test_of_labels() -> None:
    own = ExtraTreesClassifier(**options()).fit(NUMBERS.astype(np.float32), LABELS.targets)
    answers = own.predict_proba(ASKED.astype(np.float32))
    mean = np.column_stack([answers[0][:, 1], np.ones(len(ASKED)), answers[2][:, 1]])
    share = smoothed(mean, 2)
    np.testing.assert_allclose(fitted(LABELS)(samples(ASKED)).numpy(), np.log(share / (1 - share)), atol=1e-4)


def naive_means(columns: Columns, share: float) -> np.ndarray:
    """Means of trees grown on filled targets, whose leaves say the mean of known ones and half a row of all."""
    known = [column[~np.isnan(column)] for column in columns.targets.T]
    means = np.array([column.mean() if len(column) else 0.5 for column in known])
    some = ~np.isnan(columns.targets).all(axis=1)
    numbers, targets = NUMBERS[some].astype(np.float32), columns.targets[some]
    own = ExtraTreesRegressor(**options(share)).fit(numbers, np.where(np.isnan(targets), means, targets))
    total = np.zeros((len(ASKED), len(means)))
    for tree in own.estimators_:
        of_rows, of_asked = tree.apply(numbers), tree.apply(ASKED.astype(np.float32))
        for row, leaf in enumerate(of_asked):
            for output, mean in enumerate(means):
                there = [value for value in targets[of_rows == leaf, output] if not np.isnan(value)]
                total[row, output] += (sum(there) + 0.5 * mean) / (len(there) + 0.5)
    return total / TREES


NEVER = np.column_stack([GAPS.targets[:, :2], np.full(41, np.nan)])
"""Of the last label nothing is known."""


@pytest.mark.parametrize("columns", [GAPS, Columns("labels", NEVER, 3)])
def test_of_labels_with_gaps(columns: Columns) -> None:
    model = fitted(columns)
    share = smoothed(naive_means(columns, 0), 2)
    np.testing.assert_allclose(model(samples(ASKED)).numpy(), np.log(share / (1 - share)), atol=1e-4)


def test_of_values_with_gaps() -> None:
    columns = Columns("values", np.where(RANDOM.random((41, 2)) < 0.3, np.nan, VALUES.targets), 2)
    np.testing.assert_allclose(fitted(columns)(samples(ASKED)).numpy(), naive_means(columns, 1 / 3), atol=1e-5)


def test_of_values() -> None:
    own = ExtraTreesRegressor(**options(1 / 3)).fit(NUMBERS.astype(np.float32), VALUES.targets)
    expected = own.predict(ASKED.astype(np.float32))
    np.testing.assert_allclose(fitted(VALUES)(samples(ASKED)).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (Columns("values", np.full((41, 1), 2.5), 1), [2.5]),
        (Columns("classes", np.ones((41, 1)), 2), np.log(smoothed(np.array([0.0, 1]), 2)).tolist()),
        (Columns("labels", np.full((41, 1), np.nan), 1), [0.0]),
        (Columns("values", np.full((41, 1), np.nan), 1), [0.0]),
    ],
)
def test_where_there_is_nothing_to_tell_apart(columns: Columns, expected: list[float]) -> None:
    found = fitted(columns)(samples(NUMBERS[:2])).tolist()
    assert found == [pytest.approx(expected)] * 2


def test_a_number_as_large_as_a_threshold_stays_where_scikit_learn_puts_it() -> None:
    numbers = np.array([[0.1], [0.2], [0.3], [0.4]], dtype=np.float16)
    targets = np.array([0.0, 0, 1, 1])
    own = RandomForestClassifier(n_estimators=1, bootstrap=False).fit(numbers.astype(np.float32), targets)
    threshold = np.float32(own.estimators_[0].tree_.threshold[0])
    around = np.array([[np.nextafter(threshold, np.float32(side))] for side in (0, 1)] + [[threshold]], np.float32)
    values = own.estimators_[0].tree_.value[:, 0]
    trees = Trees.of_forest(own.estimators_, [values])
    np.testing.assert_allclose(trees(torch.from_numpy(around)).numpy(), own.predict_proba(around), atol=1e-6)


@pytest.mark.parametrize("columns", [CLASSES, GAPS, VALUES])
def test_a_saved_one_answers_the_same(columns: Columns, tmp_path: Path) -> None:
    model = fitted(columns)
    model.save_pretrained(tmp_path)
    again = Model.from_pretrained(tmp_path)
    torch.testing.assert_close(again(samples(ASKED)), model(samples(ASKED)), rtol=0, atol=0)


@pytest.mark.parametrize(("name", "place"), [("roots", -1), ("below", 10_000), ("feature", 4)])
def test_places_that_are_not_there_are_refused_when_read(name: str, place: int, tmp_path: Path) -> None:
    model = fitted(CLASSES)
    getattr(model.trees, name).view(-1)[-1] = place
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=f"{name} has places from"):
        Model.from_pretrained(tmp_path)


def test_of_many_samples_leaves_are_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "MOST_BYTES", 24 * 200)  # two outputs
    settings = Forest.Settings(trees=TREES, leaves=(1, 2, 10))
    found = list(Forest.candidates(settings, INPUTS, [samples()], VALUES, seed=0))
    assert len(found) == 2  # of 3 and of 10 samples
    assert all(model.settings.nodes <= 200 for model in found)


@pytest.mark.parametrize("columns", [CLASSES, GAPS, VALUES])
def test_leaves_are_compared_with_few_trees_and_the_chosen_forest_gets_the_rest(columns: Columns) -> None:
    settings = Forest.Settings(trees=TREES, tried=4, leaves=(1, 2))
    chosen, other = Forest.candidates(settings, INPUTS, [samples()], columns, seed=3)
    assert (chosen.settings.trees, len(chosen.trees.roots), len(other.trees.roots)) == (4, 4, 4)
    few = chosen(samples(ASKED))
    chosen.complete()
    expected = fitted(columns)
    for name, values in expected.state_dict().items():
        torch.testing.assert_close(chosen.state_dict()[name], values, rtol=0, atol=0)
    assert chosen.settings.model_copy(update={"leaves": (2,), "tried": 100}) == expected.settings
    assert not torch.equal(chosen(samples(ASKED)), few)


def test_without_descriptors_there_is_no_candidate() -> None:
    nothing = Tokens(torch.zeros(41, 1, 0), descriptors=torch.zeros(41, 0))
    assert list(Forest.candidates(Forest.Settings(), {"descriptors": []}, [nothing], VALUES, seed=0)) == []


@pytest.mark.parametrize("leaves", [(), (0,)])
def test_leaves_have_a_sample_at_least(leaves: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="leaves"):
        validate(Forest.Settings, {"name": "forest", "leaves": leaves})


def test_new_memory_holds_leaves_until_it_is_filled() -> None:
    with torch.device("meta"):
        trees = Trees(3, 5, 2, 4)
    trees.to_empty(device="cpu").reset_parameters()
    assert trees(torch.ones(2, 3)).tolist() == [[0.0] * 4] * 2


def test_a_linear_model_over_descriptors_is_a_line_over_their_bins() -> None:
    settings = DescriptorLinear.Settings(strengths=(1e6,))
    model = next(DescriptorLinear.candidates(settings, {"descriptors": [3, 2, 0, 1]}, [samples()], VALUES, seed=0))
    bins = model.expand(torch.from_numpy(NUMBERS).float()).double().numpy()
    design = np.column_stack([bins, np.ones(len(bins))])
    best = design @ np.linalg.lstsq(design, VALUES.targets, rcond=None)[0]
    np.testing.assert_allclose(model(samples()).detach().numpy(), best, atol=2e-2)


def test_what_cannot_be() -> None:
    with pytest.raises(InputError, match="forest: has not been fitted"):
        Forest(Forest.Settings(), INPUTS, 2)
    with pytest.raises(InputError, match="forest.form: found '', expected classes, labels or values"):
        Forest(Forest.Settings(nodes=1), INPUTS, 2)
    with pytest.raises(InputError, match="linear: has not been fitted"):
        DescriptorLinear(DescriptorLinear.Settings(), INPUTS, 2)
    with pytest.raises(InputError, match="the tokens have no descriptors, expected 4"):
        fitted(VALUES)(Tokens(torch.zeros(1, 1, 0)))
