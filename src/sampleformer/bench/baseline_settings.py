"""How the baselines of one data set are trained."""

from __future__ import annotations

from dataclasses import dataclass

from sampleformer.data.source import Splits
from sampleformer.training.recipe import Recipe
from sampleformer.training.selection import selecting_metric


@dataclass(frozen=True)
class BaselineSettings:
    """What baselines take from the recipe of our model, so that both are trained and judged alike.

    Args:
        recipe: of our model: its data, seed, batch size, length and checks.
    """

    recipe: Recipe

    def selected_by(self, splits: Splits) -> str:
        """Name of the score on the validation part that decides what is kept.

        Raises:
            InputError: if the task has no such score.
        """
        return selecting_metric(splits.encoding.task, self.recipe.training.selected_by)
