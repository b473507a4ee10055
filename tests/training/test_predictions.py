"""Outputs as predictions, one row for each target, and the mean of several for one token."""

import numpy as np
import pytest

from sampleformer.data import Sample, Samples, TargetRows, TokenSets
from sampleformer.tasks import Classification, Link, MultiLabel, Predictions, Regression, Task
from sampleformer.training.predictions import predictions_of

CLASSES = Classification("y", ["a", "b"], "token")
NUMBERS = Regression(["y"], [0.0], [1.0], "token")
LABELS = MultiLabel(["y"], "token")


def blocks(targets: bool = True) -> Samples:
    """A scene "a" of four points in two blocks that share point 2, and a scene "b" of one point."""
    parts = [Sample(np.zeros((3, 1)), None, "a", index=np.array(places)) for places in ([2, 0, 1], [3, 2, 1])]
    parts.append(Sample(np.zeros((1, 1)), None, "b", index=np.array([0])))
    values = np.array([2, 0, 1, 3, 2, 1, 0]) if targets else None
    rows = TargetRows(values, np.array([0, 3, 6, 7]))
    return Samples(TokenSets.of(parts), rows, [part.id for part in parts])


def test_samples_are_rows() -> None:
    samples = Samples(TokenSets(np.arange(3), np.array([0, 2, 3])), np.array([1, 0]), ["x", "y"])
    predictions = predictions_of(samples, np.eye(2, dtype=np.float32), Classification("y", ["a", "b"]))
    assert (predictions.ids, predictions.sample.tolist(), predictions.tokens) == (["x", "y"], [0, 1], None)
    assert predictions.targets.tolist() == [1, 0]  # type: ignore[union-attr]


def test_predictions_for_one_point_are_averaged_as_probabilities() -> None:
    outputs = np.log(np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7], [0.4, 0.6], [0.1, 0.9]]))
    predictions = predictions_of(blocks(), outputs.astype(np.float32), CLASSES)
    assert predictions.ids == ["a", "b"]
    assert predictions.sample.tolist() == [0, 0, 0, 0, 1]
    assert predictions.tokens.tolist() == [0, 1, 2, 3, 0]  # type: ignore[union-attr]
    assert predictions.targets.tolist() == [0, 1, 2, 3, 0]  # type: ignore[union-attr]
    expected = [[0.5, 0.5], [0.3, 0.7], [0.6, 0.4], [0.6, 0.4], [0.1, 0.9]]
    np.testing.assert_allclose(np.exp(predictions.outputs), expected, rtol=1e-5)


@pytest.mark.parametrize("task", [LABELS, NUMBERS], ids=lambda task: task.name)
def test_labels_are_averaged_as_probabilities_and_numbers_as_they_are(task: Task) -> None:
    outputs = np.array([[1.0], [0], [0], [0], [3.0], [0], [0]], np.float32)
    found = predictions_of(blocks(targets=False), outputs, task)
    mean = 2.0
    if task is LABELS:
        probability = sum(1 / (1 + np.exp(-value)) for value in (1.0, 3.0)) / 2
        mean = np.log(probability / (1 - probability))
    assert found.outputs[2, 0] == pytest.approx(mean, rel=1e-5)
    assert found.targets is None


def test_pairs_are_named_by_their_tokens() -> None:
    sets = TokenSets.of([Sample(np.zeros((3, 1)), None, "a", names=np.array(["x", "y", "z"]))])
    rows = TargetRows(np.array([1, 0]), np.array([0, 2]), pairs=np.array([[0, 2], [1, 0]]))
    predictions = predictions_of(Samples(sets, rows, ["a"]), np.zeros((2, 1), np.float32), Link(["link"]))
    assert predictions.tokens.tolist() == [["x", "z"], ["y", "x"]]  # type: ignore[union-attr]
    assert predictions.sample.tolist() == [0, 0]


def test_predictions_whose_target_is_known() -> None:
    values = np.array([2, -1, 1, -1, 2, 1, 0])
    samples = Samples(*_parts(blocks(), values))
    outputs = np.arange(21, dtype=np.float32).reshape(7, 3)
    known = predictions_of(samples, outputs, NUMBERS).with_targets()
    assert known.targets is not None
    assert (known.targets >= 0).all()
    assert known.tokens is not None
    assert len(known.outputs) == len(known.targets) == len(known.tokens) == len(known.sample)
    numbers = Predictions(outputs, np.array([[np.nan, 1.0]] * 3 + [[np.nan, np.nan]] * 4), ["a"], np.zeros(7, int))
    assert numbers.with_targets().outputs.tolist() == outputs[:3].tolist()
    unknown = predictions_of(blocks(targets=False), outputs, CLASSES)
    assert unknown.with_targets() is unknown


def _parts(samples: Samples, values: np.ndarray) -> tuple[TokenSets, TargetRows, list[str]]:
    """The same samples with other targets."""
    sets = TokenSets.of([samples[row] for row in range(len(samples))])
    return sets, TargetRows(values, sets.offsets), samples.ids


def test_different_samples_of_one_name_are_not_averaged() -> None:
    sets = TokenSets.of([Sample(np.zeros((2, 1)), None, "same") for _ in range(3)])
    samples = Samples(sets, TargetRows(np.arange(6), np.array([0, 2, 4, 6])), ["same"] * 3)
    outputs = np.arange(12, dtype=np.float32).reshape(6, 2)
    predictions = predictions_of(samples, outputs, CLASSES)
    np.testing.assert_array_equal(predictions.outputs, outputs)
    assert predictions.targets.tolist() == list(range(6))  # type: ignore[union-attr]
    assert predictions.sample.tolist() == [0, 0, 1, 1, 2, 2]
    assert [predictions.ids[number] for number in predictions.sample] == ["same"] * 6
