"""Scores of outputs on the validation part."""

from __future__ import annotations

import numpy as np
import torch

from sampleformer.compare.simple_model import Conditions
from sampleformer.tasks import Task, is_known
from sampleformer.training.loss import make_loss
from sampleformer.training.outputs import known_targets
from sampleformer.training.predictions import predictions_of


def validated(task: Task, conditions: Conditions, outputs: np.ndarray) -> dict[str, float]:
    """Metrics of outputs on the validation part, and the task's loss there.

    Args:
        task: Of the data.
        conditions: Of the comparison.
        outputs: For each target of the validation part, ``(rows, o)``.
    """
    valid = conditions.splits.valid
    targets = known_targets(valid)
    loss = make_loss(task, None, known_targets(conditions.splits.train))
    known = torch.from_numpy(is_known(targets))
    value = float(loss(torch.from_numpy(outputs), torch.from_numpy(targets), known))
    return {**task.score(predictions_of(valid, outputs, task)), "loss": value}
