"""What training minimises."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Objective = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""From outputs ``(rows, o)``, targets ``(rows,)`` or ``(rows, o)``, and where those are known, to the loss ``()``, or
to what each row adds to it, ``(rows,)``."""


_ERRORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": lambda outputs, target: (outputs - target).square(),
    "huber": lambda outputs, target: F.huber_loss(outputs, target, reduction="none"),
    "absolute": lambda outputs, target: (outputs - target).abs(),
}


def make_objective(
    task: str, targets: np.ndarray, outputs: int, *, class_weights: str = "none", regression_loss: str = "squared"
) -> Objective:
    """The loss of a task.

    Cross-entropy for classification; binary cross-entropy for multi-label; for regression the mean error on
    standardised targets. Unknown targets count for nothing.

    Args:
        task: ``classification``, ``multilabel`` or ``regression``.
        targets: those of the training part, shape ``(rows,)``, −1 where unknown, or ``(rows, columns)``, NaN there.
        outputs: number of the model's outputs.
        class_weights: ``balanced`` weighs classes by the inverse of their frequency (ignored by regression).
        regression_loss: ``squared``, ``huber`` or ``absolute``, see `TrainingSettings`.
    """
    if task == "classification":
        weight = _class_weights(targets, outputs) if class_weights == "balanced" else None
        return lambda logits, target, known: _cross_entropy(logits, target, known, weight)
    errors = _make_errors(task, targets, class_weights, regression_loss)
    return lambda outputs, target, known: _mean_of_known(errors(outputs, _filled(target, known)), known)


def make_shares(
    task: str, targets: np.ndarray, outputs: int, *, class_weights: str = "none", regression_loss: str = "squared"
) -> Objective:
    """What each row adds to the loss of `make_objective`, which is the sum of these shares.

    Args: as for `make_objective`.
    """
    if task == "classification":
        weight = _class_weights(targets, outputs) if class_weights == "balanced" else torch.ones(outputs)
        return lambda logits, target, known: _shares_of_cross_entropy(logits, target, known, weight.to(logits))
    errors = _make_errors(task, targets, class_weights, regression_loss)
    return lambda outputs, target, known: _shares_of_mean(errors(outputs, _filled(target, known)), known)


def _make_errors(
    task: str, targets: np.ndarray, class_weights: str, regression_loss: str
) -> Callable[[Tensor, Tensor], Tensor]:
    """The error of each output: of labels or of numbers."""
    if task != "multilabel":
        return _ERRORS[regression_loss]
    positive = _positive_weights(targets) if class_weights == "balanced" else None
    return lambda logits, target: F.binary_cross_entropy_with_logits(
        logits, target, pos_weight=None if positive is None else positive.to(logits), reduction="none"
    )


def _cross_entropy(logits: Tensor, target: Tensor, known: Tensor | None, weight: Tensor | None) -> Tensor:
    weight = None if weight is None else weight.to(logits)
    if known is None:
        return F.cross_entropy(logits, target, weight=weight)
    if not known.any():
        return 0 * logits.sum()
    return F.cross_entropy(logits[known], target[known], weight=weight)


def _shares_of_cross_entropy(logits: Tensor, target: Tensor, known: Tensor | None, weight: Tensor) -> Tensor:
    known = torch.ones_like(target, dtype=torch.bool) if known is None else known
    target = target.masked_fill(~known, 0)
    losses = F.cross_entropy(logits, target, weight=weight, reduction="none").masked_fill(~known, 0)
    return losses / weight[target].masked_fill(~known, 0).sum().clamp(min=torch.finfo(losses.dtype).tiny)


def _filled(target: Tensor, known: Tensor | None) -> Tensor:
    return target if known is None else torch.where(known, target, 0.0)


def _mean_of_known(losses: Tensor, known: Tensor | None) -> Tensor:
    if known is None:
        return losses.mean()
    return (losses * known).sum() / known.sum().clamp(min=1)


def _shares_of_mean(losses: Tensor, known: Tensor | None) -> Tensor:
    if known is None:
        return losses.sum(1) / losses.numel()
    return (losses * known).sum(1) / known.sum().clamp(min=1)


def _class_weights(targets: np.ndarray, classes: int) -> Tensor:
    known = targets[targets >= 0].astype(np.int64)
    counts = np.bincount(known, minlength=classes).clip(min=1)
    return torch.from_numpy(len(known) / (classes * counts)).float()


def _positive_weights(targets: np.ndarray) -> Tensor:
    positives = np.nansum(targets, axis=0).clip(min=1)
    negatives = np.nansum(1 - targets, axis=0).clip(min=1)
    return torch.from_numpy(negatives / positives).float()
