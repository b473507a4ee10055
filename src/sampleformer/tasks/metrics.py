"""Metrics of predictions, torchmetrics' where it has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType

import numpy as np
import torch

from sampleformer.extras import require

LOWER_IS_BETTER = frozenset({"mae", "rmse", "loss"})
"""Metrics of which the lower value is the better one."""


def better(name: str, new: Mapping[str, float], old: Mapping[str, float] | None) -> bool:
    """Whether the metrics of one check beat those of another; any beat none, and a number beats not-a-number.

    Args:
        name: Name of the metric that counts; of equal ones, which small validation parts often give, and
            where neither is a number, the lower loss.
        new: Metrics of the one check.
        old: Metrics of the other.
    """
    if old is None:
        return True
    unknown = np.isnan(new[name]), np.isnan(old[name])
    if any(unknown) and not all(unknown):
        return bool(unknown[1])
    if all(unknown) or new[name] == old[name]:
        return new["loss"] < old["loss"]
    return new[name] < old[name] if name in LOWER_IS_BETTER else new[name] > old[name]


def class_metrics(logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Accuracy, balanced_accuracy (mean recall of the classes that occur), f1 (macro); of two classes also auroc.

    Args:
        logits: Raw outputs, ``(rows, classes)``.
        targets: Classes, ``(rows,)``; all are known.
    """
    scoring = _torchmetrics("classification")
    outputs, wanted, classes = torch.from_numpy(logits), torch.from_numpy(targets), logits.shape[1]
    recalls = scoring.multiclass_recall(outputs, wanted, classes, average="none")
    present = torch.bincount(wanted, minlength=classes) > 0
    scores = {
        "accuracy": _number(scoring.multiclass_accuracy(outputs, wanted, classes, average="micro")),
        "balanced_accuracy": _number(recalls[present].mean()),
        "f1": _number(scoring.multiclass_f1_score(outputs, wanted, classes, average="macro")),
    }
    if classes == 2:
        ranks = _ranks(logits[:, 1].astype(np.float64) - logits[:, 0].astype(np.float64))
        scores["auroc"] = _number(scoring.binary_auroc(ranks, wanted)) if present.all() else float("nan")
    return scores


def label_metrics(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Average precision and AUROC, means over the columns in which both 0 and 1 occur.

    Args:
        outputs: Raw outputs, ``(rows, labels)``.
        targets: 0 and 1, NaN where unknown, ``(rows, labels)``.
    """
    scoring = _torchmetrics("classification")

    def of_column(values: np.ndarray, wanted: np.ndarray) -> dict[str, float] | None:
        if len(np.unique(wanted)) < 2:
            return None
        ranks, truth = _ranks(values), torch.from_numpy(wanted).long()
        return {
            "average_precision": _number(scoring.binary_average_precision(ranks, truth)),
            "auroc": _number(scoring.binary_auroc(ranks, truth)),
        }

    return _column_means(of_column, outputs, targets, ("average_precision", "auroc"))


def number_metrics(values: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Mean absolute error, root mean squared error and R², means over the columns, in the unit of the target.

    Args:
        values: Predicted values, ``(rows, columns)``.
        targets: True values, NaN where unknown, ``(rows, columns)``.
    """
    scoring = _torchmetrics("regression")

    def of_column(values: np.ndarray, wanted: np.ndarray) -> dict[str, float] | None:
        if not len(wanted):
            return None
        predicted, truth = torch.from_numpy(values), torch.from_numpy(wanted)
        return {
            "mae": _number(scoring.mean_absolute_error(predicted, truth)),
            "rmse": _number(scoring.mean_squared_error(predicted, truth, squared=False)),
            "r2": _number(scoring.r2_score(predicted, truth)) if len(wanted) > 1 else float("nan"),
        }

    return _column_means(of_column, values, targets, ("mae", "rmse", "r2"))


def mean_iou(predicted: np.ndarray, targets: np.ndarray, classes: int) -> float:
    """Mean over the classes of ``|P ∩ T| / |P ∪ T|`` over all points.

    A class that is neither predicted nor true for any point does not count.

    Args:
        predicted, targets: Class of each point, ``(n,)``.
        classes: Number of classes.

    Example:
        >>> mean_iou(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), classes=3)
        0.5833333333333333
    """
    both, union = overlaps(predicted, targets, classes)
    return float((both[union > 0] / union[union > 0]).mean())


def overlaps(predicted: np.ndarray, targets: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of points in both and in either of the predicted and the true part of each class."""
    both = np.bincount(targets[predicted == targets], minlength=classes)
    return both, np.bincount(predicted, minlength=classes) + np.bincount(targets, minlength=classes) - both


def _torchmetrics(family: str) -> ModuleType:
    """torchmetrics' functions for classification or regression, imported when the first score is asked for."""
    return require(f"torchmetrics.functional.{family}", "train")


def _column_means(
    of_column: Callable[[np.ndarray, np.ndarray], dict[str, float] | None],
    outputs: np.ndarray,
    targets: np.ndarray,
    names: tuple[str, ...],
) -> dict[str, float]:
    known = ~np.isnan(targets)
    columns = [of_column(outputs[known[:, c], c], targets[known[:, c], c]) for c in range(targets.shape[1])]
    found = [column for column in columns if column is not None]
    return {name: float(np.mean([column[name] for column in found])) if found else float("nan") for name in names}


def _ranks(outputs: np.ndarray) -> torch.Tensor:
    """The order of outputs as numbers from 0 to 1, of which torchmetrics makes no probabilities that round to one."""
    _, ranks = np.unique(outputs, return_inverse=True)
    return torch.from_numpy(ranks.reshape(-1) / max(1, len(outputs)))


def _number(value: torch.Tensor) -> float:
    """The seven digits that a single-precision number has."""
    return float(f"{value.item():.7g}")
