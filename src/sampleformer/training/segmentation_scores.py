"""Scores of classes of points, and of parts of shapes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sampleformer.data.point_cloud.part_target import PartTarget

if TYPE_CHECKING:
    from sampleformer.data.encoding import Encoding
    from sampleformer.training.answers import Answers

_NEVER = -1e30


def restricted(encoding: Encoding, answers: Answers) -> Answers:
    """Answers for parts in which a shape has only parts of its own category, as published; others as they are.

    The category is that of the shape's true parts where these are known, else the most probable one.

    Args:
        encoding: of the data.
        answers: of the model.
    """
    target = encoding.targets
    if not isinstance(target, PartTarget):
        return answers
    outputs = answers.outputs.copy()
    for rows in _rows_of_shapes(answers.sample):
        classes = None if answers.targets is None else answers.targets[rows]
        parts = target.parts(target.category(outputs[rows], classes))
        kept = outputs[np.ix_(rows, parts)]
        outputs[rows] = _NEVER
        outputs[np.ix_(rows, parts)] = kept
    return replace(answers, outputs=outputs)


def mean_iou(predicted: np.ndarray, targets: np.ndarray, classes: int) -> float:
    """Mean over the classes of ``|P ∩ T| / |P ∪ T|`` over all points.

    A class that is neither predicted nor true for any point does not count.

    Args:
        predicted, targets: class of each point, ``(n,)``.
        classes: their number.

    Example:
        >>> mean_iou(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), classes=3)
        0.5833333333333333
    """
    both, union = _counts(predicted, targets, classes)
    return float((both[union > 0] / union[union > 0]).mean())


def part_scores(target: PartTarget, answers: Answers) -> dict[str, float]:
    """Instance mIoU and class mIoU of parts.

    The IoU of a shape is the mean over the parts of its category, where a part that is neither predicted nor true
    counts 1. Instance mIoU is its mean over shapes; class mIoU the mean over categories of the mean over their shapes.

    Args:
        target: knows the categories.
        answers: restricted to the shapes' categories, with targets, all of them known.

    Source: Yi et al. 2016, "A Scalable Active Framework for Region Annotation in 3D Shape Collections"; Qi et al. 2017,
    PointNet (arXiv 1612.00593), section 5.1.
    """
    assert answers.targets is not None
    by_category: dict[int, list[float]] = {}
    for rows in _rows_of_shapes(answers.sample):
        category = target.category(answers.outputs[rows], answers.targets[rows])
        parts = target.parts(category)
        predicted = answers.outputs[rows].argmax(axis=1)
        both, union = _counts(predicted, answers.targets[rows], len(target.labels))
        ious = np.where(union > 0, both / np.maximum(union, 1), 1.0)[parts]
        by_category.setdefault(category, []).append(float(ious.mean()))
    every = [iou for ious in by_category.values() for iou in ious]
    means = [float(np.mean(ious)) for ious in by_category.values()]
    return {"instance_miou": float(np.mean(every)), "class_miou": float(np.mean(means))}


def _rows_of_shapes(sample: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(sample, kind="stable")
    ends = np.flatnonzero(np.diff(sample[order])) + 1
    return [rows for rows in np.split(order, ends) if len(rows)]


def _counts(predicted: np.ndarray, targets: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Points in both and in either, of each class."""
    both = np.bincount(targets[predicted == targets], minlength=classes)
    return both, np.bincount(predicted, minlength=classes) + np.bincount(targets, minlength=classes) - both
