"""Tests of the scores of parts and of classes of points, against counting by hand."""

import numpy as np
import pytest

from sampleformer.tasks import PartSegmentation, Predictions, Segmentation
from sampleformer.tasks.metrics import mean_iou

PARTS = PartSegmentation("labels", list("01234"), {"cup": ["0", "1", "2"], "lamp": ["3", "4"]})


def _predictions(predicted: list[int], targets: list[int] | None, sample: list[int]) -> Predictions:
    outputs = np.eye(5, dtype=np.float32)[predicted]
    wanted = None if targets is None else np.array(targets)
    return Predictions(outputs, wanted, ["a", "b", "c"], np.array(sample), np.arange(len(sample)))


def test_instance_and_class_miou() -> None:
    # a, a cup: part 0 is 1/2, part 1 is 2/3, part 2 is in neither and counts 1.
    # b, a lamp: 1 and 1. c, a lamp: 0 and 1/2.
    predictions = _predictions([0, 1, 1, 1, 3, 4, 4, 4], [0, 0, 1, 1, 3, 4, 3, 4], [0, 0, 0, 0, 1, 1, 2, 2])
    found = PARTS.score(predictions)
    cup, whole, half = (1 / 2 + 2 / 3 + 1) / 3, 1.0, (0 + 1 / 2) / 2
    assert found["instance_miou"] == pytest.approx((cup + whole + half) / 3)
    assert found["class_miou"] == pytest.approx((cup + (whole + half) / 2) / 2)
    assert set(PARTS.metrics) <= set(found)


def test_a_shape_has_only_parts_of_its_category() -> None:
    outputs = np.array([[0, 1, 0, 9, 0], [2, 1, 0, 0, 9]], np.float32)
    predictions = Predictions(outputs, np.array([0, 1]), ["a"], np.array([0, 0]), np.arange(2))
    assert PARTS.restrict(predictions).outputs.argmax(axis=1).tolist() == [1, 0]
    unknown = Predictions(outputs, None, ["a"], np.array([0, 0]), np.arange(2))
    assert PARTS.restrict(unknown).outputs.argmax(axis=1).tolist() == [3, 4]
    probabilities = PARTS.decode(PARTS.restrict(predictions).outputs)
    assert probabilities["probability_3"] == [0.0, 0.0]


def test_mean_iou_against_sets() -> None:
    random = np.random.default_rng(0)
    predicted, targets = random.integers(0, 4, 300), random.integers(0, 4, 300)
    ious = []
    for label in range(4):
        mine, true = set(np.flatnonzero(predicted == label)), set(np.flatnonzero(targets == label))
        ious.append(len(mine & true) / len(mine | true))
    assert mean_iou(predicted, targets, 6) == pytest.approx(np.mean(ious))


def test_unknown_points_count_for_nothing() -> None:
    task = Segmentation("labels", list("01234"))
    predictions = _predictions([0, 1, 2, 2], [0, 1, 1, -1], [0, 0, 0, 0])
    found = task.score(predictions)
    assert found["miou"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert set(task.metrics) <= set(found)
