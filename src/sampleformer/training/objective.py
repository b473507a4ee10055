"""The loss of each task, as a weighted mean over rows that may be computed in parts."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_ERRORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": lambda outputs, target: (outputs - target).square(),
    "huber": lambda outputs, target: F.huber_loss(outputs, target, reduction="none"),
    "absolute": lambda outputs, target: (outputs - target).abs(),
}


class Objective(ABC):
    """The loss ``Σ losses / Σ weights``, both sums over the rows of a batch.

    The weights do not depend on the model. So a batch may go through it in chunks: the losses of each, divided by the
    weights of all, add up to the loss of the batch, and their gradients to its gradient.

    Outputs are ``(rows, o)``, targets ``(rows,)`` or ``(rows, o)``, ``known`` of the same shape, True where a target
    is known; None: all are. What stands in the place of an unknown target does not matter.
    """

    def __call__(self, outputs: Tensor, targets: Tensor, known: Tensor | None) -> Tensor:
        """The loss of a batch, ``()``; 0 if no target is known."""
        return self.losses(outputs, targets, known).sum() / positive(self.weights(targets, known).sum())

    @abstractmethod
    def losses(self, outputs: Tensor, targets: Tensor, known: Tensor | None) -> Tensor:
        """The weighted loss of each row, ``(rows,)``; 0 where no target is known."""

    @abstractmethod
    def weights(self, targets: Tensor, known: Tensor | None) -> Tensor:
        """The weight of each row, ``(rows,)`` float32; 0 where no target is known."""


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
    balanced = class_weights == "balanced"
    if task == "classification":
        return _CrossEntropy(_class_weights(targets, outputs) if balanced else torch.ones(outputs))
    if task == "multilabel":
        return _BinaryCrossEntropy(_positive_weights(targets) if balanced else None)
    return _MeanError(_ERRORS[regression_loss])


def positive(weight: Tensor) -> Tensor:
    """A sum of weights to divide by, also where no target is known."""
    return weight.clamp(min=torch.finfo(weight.dtype).tiny)


class _CrossEntropy(Objective):
    """Cross-entropy; a row weighs what its class does."""

    def __init__(self, class_weights: Tensor) -> None:
        self._class_weights = class_weights

    def losses(self, outputs: Tensor, targets: Tensor, known: Tensor | None) -> Tensor:
        targets = _filled(targets, known)
        losses = F.cross_entropy(outputs, targets, weight=self._class_weights.to(outputs), reduction="none")
        return losses if known is None else losses.masked_fill(~known, 0)

    def weights(self, targets: Tensor, known: Tensor | None) -> Tensor:
        weights = self._class_weights.to(targets.device)[_filled(targets, known)]
        return weights if known is None else weights.masked_fill(~known, 0)


class _MeanError(Objective):
    """The mean of an error over all columns; a row weighs as many as are known."""

    def __init__(self, error: Callable[[Tensor, Tensor], Tensor]) -> None:
        self._error = error

    def losses(self, outputs: Tensor, targets: Tensor, known: Tensor | None) -> Tensor:
        errors = self._error(outputs, _filled(targets, known))
        return (errors if known is None else errors.masked_fill(~known, 0)).sum(1)

    def weights(self, targets: Tensor, known: Tensor | None) -> Tensor:
        known = torch.ones_like(targets, dtype=torch.bool) if known is None else known
        return known.sum(1, dtype=torch.float32)


class _BinaryCrossEntropy(_MeanError):
    """Binary cross-entropy of several labels, in which positive ones may weigh more."""

    def __init__(self, positive_weights: Tensor | None) -> None:
        super().__init__(self._cross_entropy)
        self._positive_weights = positive_weights

    def _cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        weights = None if self._positive_weights is None else self._positive_weights.to(logits)
        return F.binary_cross_entropy_with_logits(logits, targets.to(logits), pos_weight=weights, reduction="none")


def _filled(targets: Tensor, known: Tensor | None) -> Tensor:
    return targets if known is None else targets.masked_fill(~known, 0)


def _class_weights(targets: np.ndarray, classes: int) -> Tensor:
    known = targets[targets >= 0].astype(np.int64)
    counts = np.bincount(known, minlength=classes).clip(min=1)
    return torch.from_numpy(len(known) / (classes * counts)).float()


def _positive_weights(targets: np.ndarray) -> Tensor:
    positives = np.nansum(targets, axis=0).clip(min=1)
    negatives = np.nansum(1 - targets, axis=0).clip(min=1)
    return torch.from_numpy(negatives / positives).float()
