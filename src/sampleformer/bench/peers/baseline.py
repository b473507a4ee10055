"""How every baseline is judged: by our own scores, chosen on the validation part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from sampleformer.tasks import Task
from sampleformer.tasks.metrics import better
from sampleformer.training.loss import make_loss
from sampleformer.training.selection import selecting_metric

Score = Callable[[np.ndarray, np.ndarray], Mapping[str, float]]
"""From outputs ``(N, o)`` and targets to scores by name, as `Task.score` gives them."""


@dataclass(frozen=True)
class BaselineResult:
    """What a baseline came to.

    Args:
        best: scores on the test part with the state that was best on the validation part.
        last: scores on the test part with the state at the end.
        best_valid: scores on the validation part that made the choice, and the loss there.
        last_valid: the same of the state at the end.
        best_step: when the best state was there: steps of the optimizer, or trees of each output.
        steps: how many there were in all.
        seconds: of training, checks of the validation part included.
        parameters: numbers that were learned; None where that has no meaning.
    """

    best: Mapping[str, float]
    last: Mapping[str, float]
    best_valid: Mapping[str, float]
    last_valid: Mapping[str, float]
    best_step: int
    steps: int
    seconds: float
    parameters: int | None


class Judge:
    """Scores the outputs of a baseline and remembers the best check of the validation part.

    Args:
        task: of the data.
        score: of outputs and targets.
        targets: those of the training part: classes ``(N,)``, or columns ``(N, o)`` of 0 and 1 or of standardised
            values, NaN where unknown.
        selected_by: name of the score that makes the choice; None: that of the task.

    Example:
        >>> from sampleformer.tasks import Regression
        >>> task = Regression(["y"], [0.0], [1.0])
        >>> judge = Judge(task, lambda outputs, targets: {"mae": 1.0}, np.zeros((2, 1)))
        >>> judge.is_best(10, np.zeros((2, 1)), np.ones((2, 1))), judge.best_step, judge.best_valid["loss"]
        (True, 10, 1.0)
        >>> judge.is_best(20, np.zeros((2, 1)), np.ones((2, 1))), judge.best_step
        (False, 10)
    """

    def __init__(self, task: Task, score: Score, targets: np.ndarray, selected_by: str | None = None) -> None:
        self.score = score
        self._loss = make_loss(task, None, targets)
        self.selected_by = selecting_metric(task, selected_by)
        self.best_valid: Mapping[str, float] | None = None
        self.last_valid: Mapping[str, float] = {}
        self.best_step = 0

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """What training minimises; unknown targets count for nothing."""
        return self._loss(outputs, targets, ~targets.isnan() if targets.is_floating_point() else None)

    def is_best(self, step: int, outputs: np.ndarray, targets: np.ndarray) -> bool:
        """Whether a check of the validation part beats all before it; of equal scores the lower loss wins."""
        loss = self.loss(torch.from_numpy(outputs), torch.from_numpy(targets))
        self.last_valid = scores = {**self.score(outputs, targets), "loss": float(loss)}
        if not better(self.selected_by, scores, self.best_valid):
            return False
        self.best_valid, self.best_step = scores, step
        return True
