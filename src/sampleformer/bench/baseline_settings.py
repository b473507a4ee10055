"""How the baselines of one data set are trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sampleformer.bench.peers.network_training import NetworkTraining
from sampleformer.data.source import Splits
from sampleformer.training.recipe import Recipe
from sampleformer.training.selection import selecting_metric


@dataclass(frozen=True)
class BaselineSettings:
    """What baselines take from the recipe of our model, so that both are trained and judged alike.

    Args:
        recipe: of our model: its data, seed, batch size, length and checks.
        seconds: of each network's training, in place of the recipe's length; None: the recipe's.
        device: ``cpu``, ``cuda`` or ``mps``.
    """

    recipe: Recipe
    seconds: float | None = None
    device: str = "cpu"

    def network_training(self, splits: Splits) -> NetworkTraining:
        """How a network is trained on this data."""
        training = self.recipe.training
        batches_per_pass = math.ceil(len(splits.train) / training.batch_size)
        return NetworkTraining(
            steps=training.total_steps(batches_per_pass) if self.seconds is None else None,
            seconds=self.seconds,
            batch=training.batch_size,
            check_every=training.check_every or batches_per_pass,
            seed=self.recipe.seed,
            device=self.device,
        )

    def selected_by(self, splits: Splits) -> str:
        """Name of the score on the validation part that decides what is kept.

        Raises:
            InputError: if the task has no such score.
        """
        return selecting_metric(splits.encoding.task, self.recipe.training.selected_by)
