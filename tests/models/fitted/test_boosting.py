"""Boosted trees as tensors beside scikit-learn's own answers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from sampleformer.errors import InputError
from sampleformer.models import Boosting, Model
from sampleformer.models.fitted import boosting
from sampleformer.models.fitted.columns import Columns
from sampleformer.settings import validate
from sampleformer.tokens import Tokens
from tests.models.fitted.described import CLASSES, GAPS, INPUTS, LABELS, NUMBERS, RANDOM, VALUES, samples

ROUNDS = (4, 9)
ASKED = np.concatenate([NUMBERS, RANDOM.normal(size=(30, 4)).astype(np.float16)])
NEVER = np.log(1e-7 / (1 - 1e-7))


def fitted(columns: Columns, rounds: tuple[int, ...] = ROUNDS) -> list[Boosting]:
    settings = Boosting.Settings(rounds=rounds)
    return list(Boosting.candidates(settings, INPUTS, [samples(NUMBERS[:20]), samples(NUMBERS[20:])], columns, seed=3))


def own(kind: type, rounds: int, targets: np.ndarray, rows: np.ndarray | None = None) -> object:
    """Scikit-learn's, with the settings that are written down here once more."""
    made = kind(
        n_estimators=rounds,
        learning_rate=0.05,
        max_depth=4,
        max_features=2,  # √4
        min_samples_leaf=3,
        subsample=0.7,
        random_state=3,
    )
    return made.fit((NUMBERS if rows is None else NUMBERS[rows]).astype(np.float32), targets)


def test_every_number_of_trees_is_what_scikit_learn_has_after_so_many() -> None:
    targets = np.digitize(NUMBERS[:, 0], [1, 2]).astype(np.float64)
    models = fitted(Columns("classes", targets[:, None], 3))
    assert [model.settings.trees for model in models] == list(ROUNDS)
    for model in models:
        expected = own(GradientBoostingClassifier, model.settings.trees, targets).decision_function(ASKED)
        np.testing.assert_allclose(model(samples(ASKED)).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_of_two_classes_and_one_that_never_occurs() -> None:
    expected = own(GradientBoostingClassifier, 9, CLASSES.targets[:, 0]).decision_function(ASKED)
    found = fitted(CLASSES)[-1](samples(ASKED)).numpy()
    np.testing.assert_allclose(found[:, 2], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[:, :2], np.tile([0, NEVER], (len(ASKED), 1)), rtol=1e-5)


@pytest.mark.parametrize("columns", [LABELS, GAPS])
def test_of_labels_each_on_the_rows_that_know_it(columns: Columns) -> None:
    found = fitted(columns)[-1](samples(ASKED)).numpy()
    for output, column in enumerate(columns.targets.T):
        known = ~np.isnan(column)
        if column[known].min() == 1:
            np.testing.assert_allclose(found[:, output], -NEVER, rtol=1e-5)
        else:
            expected = own(GradientBoostingClassifier, 9, column[known], known).decision_function(ASKED)
            np.testing.assert_allclose(found[:, output], expected, rtol=1e-4, atol=1e-5)


def test_of_values() -> None:
    found = fitted(VALUES)[-1](samples(ASKED)).numpy()
    for output, column in enumerate(VALUES.targets.T):
        expected = own(GradientBoostingRegressor, 9, column).predict(ASKED)
        np.testing.assert_allclose(found[:, output], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (Columns("values", np.full((41, 1), 2.5), 1), [2.5]),
        (Columns("classes", np.ones((41, 1)), 2), [NEVER, 0.0]),
        (Columns("labels", np.full((41, 1), np.nan), 1), [0.0]),
        (Columns("values", np.full((41, 1), np.nan), 1), [0.0]),
    ],
)
def test_where_there_is_nothing_to_tell_apart(columns: Columns, expected: list[float]) -> None:
    found = fitted(columns)[0](samples(NUMBERS[:2])).tolist()
    assert found == [pytest.approx(expected)] * 2


@pytest.mark.parametrize("columns", [CLASSES, GAPS, VALUES])
def test_a_saved_one_answers_the_same(columns: Columns, tmp_path: Path) -> None:
    model = fitted(columns)[0]
    model.save_pretrained(tmp_path)
    again = Model.from_pretrained(tmp_path)
    torch.testing.assert_close(again(samples(ASKED)), model(samples(ASKED)), rtol=0, atol=0)


def test_of_very_many_samples_some_are_drawn(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    # Two features of a node, 4 levels, 9 rounds and two outputs: 10 samples, of which each tree has seven tenths.
    monkeypatch.setattr(boosting, "MOST_WORK", 2 * 4 * 9 * 2 * 7)
    seen = []
    plain = Columns.fitted
    monkeypatch.setattr(Columns, "fitted", lambda self, *given: seen.append(len(given[1])) or plain(self, *given))
    with caplog.at_level("INFO", logger="sampleformer"):
        fitted(VALUES)
    assert seen == [10, 10]
    assert caplog.messages == ["boosting is fitted to 10 of 41 samples, drawn at random"]


def test_places_that_are_not_there_are_refused_when_read(tmp_path: Path) -> None:
    model = fitted(VALUES)[0]
    model.parts[1].feature[-1] = 4
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="feature has places from"):
        Model.from_pretrained(tmp_path)


def test_without_descriptors_there_is_no_candidate() -> None:
    nothing = Tokens(torch.zeros(41, 1, 0), descriptors=torch.zeros(41, 0))
    assert list(Boosting.candidates(Boosting.Settings(), {"descriptors": []}, [nothing], VALUES, seed=0)) == []


def test_what_cannot_be() -> None:
    with pytest.raises(InputError, match="boosting: has not been fitted"):
        Boosting(Boosting.Settings(), INPUTS, 2)
    with pytest.raises(InputError, match="found trees of 1 outputs of 'values', expected 2 of classes, labels"):
        Boosting(Boosting.Settings(trees=1, nodes=(1,), form="values"), INPUTS, 2)
    with pytest.raises(InputError, match="rounds"):
        validate(Boosting.Settings, {"name": "boosting", "rounds": (0,)})
