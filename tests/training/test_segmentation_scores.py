"""Tests of the scores of parts and of classes of points, against counting by hand."""

import numpy as np
import pytest

from sampleformer.data.encoding import Encoding
from sampleformer.data.point_cloud.cloud_inputs import CloudInputs
from sampleformer.data.point_cloud.part_target import PartTarget
from sampleformer.data.point_cloud.view import CloudView
from sampleformer.data.targets import ClassTarget, Targets
from sampleformer.training.answers import Answers
from sampleformer.training.scores import SCORES, score
from sampleformer.training.segmentation_scores import mean_iou, restricted

PARTS = PartTarget("labels", list("01234"), {"cup": ["0", "1", "2"], "lamp": ["3", "4"]})


def _encoding(targets: Targets) -> Encoding:
    return Encoding(CloudInputs(CloudView(), False), targets, level="token")


def _answers(predicted: list[int], targets: list[int] | None, sample: list[int]) -> Answers:
    outputs = np.eye(5, dtype=np.float32)[predicted]
    wanted = None if targets is None else np.array(targets)
    return Answers(outputs, wanted, ["a", "b", "c"], np.array(sample), np.arange(len(sample)))


def test_instance_and_class_miou() -> None:
    # a, a cup: part 0 is 1/2, part 1 is 2/3, part 2 is in neither and counts 1.
    # b, a lamp: 1 and 1. c, a lamp: 0 and 1/2.
    answers = _answers([0, 1, 1, 1, 3, 4, 4, 4], [0, 0, 1, 1, 3, 4, 3, 4], [0, 0, 0, 0, 1, 1, 2, 2])
    found = score(_encoding(PARTS), answers)
    cup, whole, half = (1 / 2 + 2 / 3 + 1) / 3, 1.0, (0 + 1 / 2) / 2
    assert found["instance_miou"] == pytest.approx((cup + whole + half) / 3)
    assert found["class_miou"] == pytest.approx((cup + (whole + half) / 2) / 2)
    assert set(SCORES["parts"]) <= set(found)


def test_a_shape_has_only_parts_of_its_category() -> None:
    outputs = np.array([[0, 1, 0, 9, 0], [2, 1, 0, 0, 9]], np.float32)
    answers = Answers(outputs, np.array([0, 1]), ["a"], np.array([0, 0]), np.arange(2))
    assert restricted(_encoding(PARTS), answers).outputs.argmax(axis=1).tolist() == [1, 0]
    unknown = Answers(outputs, None, ["a"], np.array([0, 0]), np.arange(2))
    assert restricted(_encoding(PARTS), unknown).outputs.argmax(axis=1).tolist() == [3, 4]
    probabilities = _encoding(PARTS).predictions(restricted(_encoding(PARTS), answers).outputs)
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
    target = ClassTarget("labels", list("01234"))
    answers = _answers([0, 1, 2, 2], [0, 1, 1, -1], [0, 0, 0, 0])
    found = score(_encoding(target), answers)
    assert found["miou"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert set(SCORES["segmentation"]) <= set(found)
