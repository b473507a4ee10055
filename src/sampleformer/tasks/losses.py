"""Losses as weighted means over rows, which may be computed in chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sampleformer.registry import Registry

ClassWeights = Literal["none", "balanced"]


class Loss(ABC):
    """The loss ``Σ losses / Σ weights``, both sums over the rows of a batch.

    The weights do not depend on the model. So a batch may go through it in chunks: the losses of each, divided by the
    weights of all, add up to the loss of the batch, and their gradients to its gradient.

    Outputs are ``(rows, o)``, targets ``(rows,)`` or ``(rows, o)``, ``known`` of the same shape, True where a target
    is known; None: all are. What stands in the place of an unknown target does not matter.

    Args:
        targets: Targets of the training part, ``(rows,)``, −1 where unknown, or ``(rows, o)``, NaN where unknown.
        outputs: Number of outputs of the model.

    Attributes:
        is_likelihood: Whether it is a negative logarithm of a probability, and no error in some unit.
    """

    is_likelihood: ClassVar[bool] = False

    def __init__(self, targets: np.ndarray, outputs: int) -> None:
        self.outputs = outputs

    def __call__(self, outputs: Tensor, targets: Tensor, known: Tensor | None) -> Tensor:
        """Loss of a batch, ``()``; 0 if no target is known."""
        return self.losses(outputs, targets, known).sum() / positive(self.weights(targets, known).sum())

    @abstractmethod
    def losses(self, outputs: Tensor, targets: Tensor, known: Tensor | None) -> Tensor:
        """Weighted loss of each row, ``(rows,)``; 0 where no target is known."""

    @abstractmethod
    def weights(self, targets: Tensor, known: Tensor | None) -> Tensor:
        """Weight of each row, ``(rows,)`` float32; 0 where no target is known."""


def positive(weight: Tensor) -> Tensor:
    """A sum of weights to divide by, also where no target is known."""
    return weight.clamp(min=torch.finfo(weight.dtype).tiny)


class CrossEntropy(Loss):
    """Cross-entropy of classes; a row weighs what its class does.

    Args:
        targets: Classes of the training part, ``(rows,)``.
        outputs: Number of classes.
        class_weights: ``balanced`` weighs each class by the inverse of its frequency in the training part.
    """

    is_likelihood = True

    def __init__(self, targets: np.ndarray, outputs: int, class_weights: ClassWeights = "none") -> None:
        super().__init__(targets, outputs)
        self._class_weights = torch.ones(outputs)
        if class_weights == "balanced":
            known = targets[targets >= 0].astype(np.int64)
            counts = np.bincount(known, minlength=outputs).clip(min=1)
            self._class_weights = torch.from_numpy(len(known) / (outputs * counts)).float()

    def losses(self, outputs: Tensor, targets: Tensor, known: Tensor | None) -> Tensor:
        targets = _filled(targets, known)
        losses = F.cross_entropy(outputs, targets, weight=self._class_weights.to(outputs), reduction="none")
        return losses if known is None else losses.masked_fill(~known, 0)

    def weights(self, targets: Tensor, known: Tensor | None) -> Tensor:
        weights = self._class_weights.to(targets.device)[_filled(targets, known)]
        return weights if known is None else weights.masked_fill(~known, 0)


class _MeanError(Loss):
    """Mean of an error over all columns; a row weighs as many as are known."""

    @abstractmethod
    def errors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Error of each output, ``(rows, o)``."""

    def losses(self, outputs: Tensor, targets: Tensor, known: Tensor | None) -> Tensor:
        errors = self.errors(outputs, _filled(targets, known))
        return (errors if known is None else errors.masked_fill(~known, 0)).sum(1)

    def weights(self, targets: Tensor, known: Tensor | None) -> Tensor:
        known = torch.ones_like(targets, dtype=torch.bool) if known is None else known
        return known.sum(1, dtype=torch.float32)


class BinaryCrossEntropy(_MeanError):
    """Binary cross-entropy of several labels.

    Args:
        targets: Labels of the training part, 0 and 1, ``(rows, o)``.
        outputs: Number of labels.
        class_weights: ``balanced`` weighs the positive rows of each label by the ratio of negative to positive ones.
    """

    is_likelihood = True

    def __init__(self, targets: np.ndarray, outputs: int, class_weights: ClassWeights = "none") -> None:
        super().__init__(targets, outputs)
        self._positive_weights: Tensor | None = None
        if class_weights == "balanced":
            positives = np.nansum(targets, axis=0).clip(min=1)
            negatives = np.nansum(1 - targets, axis=0).clip(min=1)
            self._positive_weights = torch.from_numpy(negatives / positives).float()

    def errors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        weights = None if self._positive_weights is None else self._positive_weights.to(outputs)
        return F.binary_cross_entropy_with_logits(outputs, targets.to(outputs), pos_weight=weights, reduction="none")


class SquaredError(_MeanError):
    """Squared error of standardised targets."""

    def errors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square()


class AbsoluteError(_MeanError):
    """Absolute error of standardised targets."""

    def errors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).abs()


class HuberError(_MeanError):
    """Half the squared error of standardised targets up to ``delta``, linear beyond.

    Args:
        targets, outputs: As of every loss.
        delta: Error from which on it is linear, in deviations of the target. Positive.
    """

    def __init__(self, targets: np.ndarray, outputs: int, delta: float = 1.0) -> None:
        if not 0 < delta < float("inf"):
            raise ValueError(f"delta is {delta}, expected a positive number")
        super().__init__(targets, outputs)
        self.delta = delta

    def errors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.huber_loss(outputs, targets, reduction="none", delta=self.delta)


LOSSES: Registry[Loss] = Registry(
    Loss,  # type: ignore[type-abstract]
    {
        "cross_entropy": CrossEntropy,
        "binary_cross_entropy": BinaryCrossEntropy,
        "squared": SquaredError,
        "huber": HuberError,
        "absolute": AbsoluteError,
    },
)


def _filled(targets: Tensor, known: Tensor | None) -> Tensor:
    return targets if known is None else targets.masked_fill(~known, 0)
