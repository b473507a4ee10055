"""Tests of the scores, against their definitions and scikit-learn's numbers."""

import numpy as np
import pytest

from sampleformer.errors import InputError
from sampleformer.tasks import Classification, MultiLabel, Predictions, Regression, Task
from sampleformer.tasks.metrics import better
from sampleformer.training.selection import selecting_metric


def classes(number: int) -> Classification:
    return Classification("y", [f"class {place}" for place in range(number)])


def labels(number: int) -> MultiLabel:
    return MultiLabel([f"label {place}" for place in range(number)])


def rows(outputs: np.ndarray, targets: np.ndarray) -> Predictions:
    """Predictions for samples named by their number."""
    return Predictions(outputs, targets, [str(row) for row in range(len(outputs))], np.arange(len(outputs)))


def test_classification() -> None:
    # Classes 0 and 1 occur, class 2 is predicted once, class 3 is not there at all.
    outputs = np.eye(4, dtype=np.float32)[[0, 0, 1, 2, 0]]
    targets = np.array([0, 0, 1, 1, 1])
    scores = classes(4).score(rows(outputs, targets))
    assert scores["accuracy"] == pytest.approx(3 / 5)
    assert scores["balanced_accuracy"] == pytest.approx((1 + 1 / 3) / 2)
    # F1 of class 0: 2·2/(2·2+1); of class 1: 2·1/(2·1+2); of class 2: 0; class 3 does not count.
    assert scores["f1"] == pytest.approx((4 / 5 + 1 / 2 + 0) / 3)


def test_majority() -> None:
    assert classes(3).majority_share(np.array([2, 2, 0, 1])) == 0.5
    assert labels(1).majority_share(np.zeros((1, 1))) is None


def test_multilabel_leaves_out_what_cannot_be_ranked() -> None:
    outputs = np.array([[2.0, 0, 0], [1.0, 0, 0], [0.0, 0, 0], [-1.0, 0, 9]], np.float32)
    targets = np.array([[1, 0, np.nan], [0, 0, 1], [1, 0, 0], [0, 0, 1]], np.float32)
    scores = labels(3).score(rows(outputs, targets))
    # Column 0: precision 1 at the first, 2/3 at the third. Column 1 has no positive. Column 2: known rows only.
    third = 0.5 * 1 + 0.5 * 2 / 3
    assert scores["average_precision"] == pytest.approx(((1 + 2 / 3) / 2 + third) / 2)
    assert scores["auroc"] == pytest.approx((3 / 4 + 3 / 4) / 2)


def test_nothing_to_rank_gives_no_number() -> None:
    scores = labels(1).score(rows(np.zeros((3, 1), np.float32), np.zeros((3, 1), np.float32)))
    assert all(np.isnan(value) for value in scores.values())


def test_regression_is_scored_in_the_unit_of_the_target() -> None:
    task = Regression(["price", "size"], mean=[1000.0, 1000.0], deviation=[100.0, 100.0])
    targets = np.array([[0.0, 1.0], [1.0, np.nan], [2.0, 3.0]], np.float32)
    outputs = np.array([[0.0, 1.0], [1.0, 55.0], [2.3, 3.0]], np.float32)
    scores = task.score(rows(outputs, targets))
    assert scores["mae"] == pytest.approx((30 / 3 + 0) / 2, rel=1e-5)
    assert scores["rmse"] == pytest.approx((np.sqrt(900 / 3) + 0) / 2, rel=1e-5)
    assert scores["r2"] == pytest.approx((1 - 900 / 20000 + 1) / 2, rel=1e-5)


TASKS: dict[str, Task] = {each.name: each for each in (classes(2), labels(1), Regression(["y"], [0.0], [1.0]))}


@pytest.mark.parametrize(
    ("task", "new", "old", "expected"),
    [
        ("classification", 0.6, 0.5, True),
        ("classification", 0.5, 0.5, False),
        ("regression", 0.4, 0.5, True),
        ("regression", 0.6, 0.5, False),
        ("multilabel", float("nan"), 0.5, False),
        ("multilabel", 0.1, float("nan"), True),
    ],
)
def test_which_check_is_better(task: str, new: float, old: float, expected: bool) -> None:
    name = selecting_metric(TASKS[task])
    assert better(name, {name: new, "loss": 1.0}, {name: old, "loss": 1.0}) is expected


def test_where_no_score_is_a_number_the_lower_loss_is_better() -> None:
    nan = float("nan")
    assert better("auroc", {"auroc": nan, "loss": 0.9}, {"auroc": nan, "loss": 1.0})
    assert not better("auroc", {"auroc": nan, "loss": 1.0}, {"auroc": nan, "loss": 0.9})
    assert better("auroc", {"auroc": 0.1, "loss": 1.0}, {"auroc": nan, "loss": 0.9})
    assert not better("auroc", {"auroc": nan, "loss": 0.9}, {"auroc": 0.1, "loss": 1.0})


def test_of_equal_scores_the_lower_loss_is_better() -> None:
    for name in (name for task in TASKS.values() for name in task.metrics):
        assert better(name, {name: 0.5, "loss": 0.9}, {name: 0.5, "loss": 1.0})
        assert not better(name, {name: 0.5, "loss": 1.1}, {name: 0.5, "loss": 1.0})


def test_the_first_check_is_better_than_none() -> None:
    assert better("average_precision", {"average_precision": float("nan"), "loss": 1.0}, None)


def test_another_score_may_decide_and_an_unknown_one_is_refused() -> None:
    assert selecting_metric(TASKS["regression"], "r2") == "r2"
    assert better("loss", {"loss": 0.1}, {"loss": 0.2})
    with pytest.raises(
        InputError, match=r"training.selected_by: found 'f2' for the task 'classification' of 2 classes; did you mean"
    ):
        selecting_metric(classes(2), "f2")


def test_many_classes_have_no_auroc_to_decide() -> None:
    assert selecting_metric(classes(2), "auroc") == "auroc"
    with pytest.raises(InputError, match="found 'auroc' for the task 'classification' of 3 classes; "):
        selecting_metric(classes(3), "auroc")


def test_unknown_classes_count_for_nothing() -> None:
    outputs = np.eye(2, dtype=np.float32)[[0, 1, 1]]
    scores = classes(2).score(rows(outputs, np.array([0, -1, 0])))
    assert scores["accuracy"] == 0.5
    assert classes(2).majority_share(np.array([0, -1, -1, 1, 1])) == pytest.approx(2 / 3)


def test_two_classes_are_ranked_too() -> None:
    outputs = np.array([[0.0, 2.0], [0.0, 90.0], [0.0, 95.0], [3.0, 0.0]], np.float32)
    scores = classes(2).score(rows(outputs, np.array([0, 1, 0, 1])))
    assert scores["auroc"] == pytest.approx(1 / 4)  # of the four pairs one is in order
    alone = classes(2).score(rows(outputs, np.array([1, 1, 1, 1])))
    assert np.isnan(alone["auroc"])
