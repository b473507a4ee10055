"""The floor: what is right without a look at the samples."""

from __future__ import annotations

import numpy as np

from sampleformer.compare.kinds import KINDS
from sampleformer.compare.simple_model import Conditions, SimpleModel, Stopwatch, Trial
from sampleformer.models.fitted.columns import CLASSES, LABELS, Columns, log_odds
from sampleformer.sample import LEVELS
from sampleformer.tasks.columns import columns_of
from sampleformer.training.blending import scored
from sampleformer.training.loss import make_loss
from sampleformer.training.outputs import known_targets
from sampleformer.training.predictions import predictions_of


class Floor(SimpleModel):
    """The same answer for every sample: how frequent each class or label is in the training part, or the mean."""

    name = "floor"
    title = "the same answer for all"
    sees = "nothing: it always names the most frequent class of the training part, or the mean"
    kinds = KINDS
    levels = LEVELS
    seeded = False

    def train(self, conditions: Conditions, seed: int) -> Trial:
        """Counts, or takes means."""
        watch, splits = Stopwatch(), conditions.splits
        task, targets, test = splits.encoding.task, known_targets(splits.train), splits.test
        columns = columns_of(task, targets)
        answer = _answer(columns)
        loss = make_loss(task, conditions.recipe.training.loss, targets)
        scores = scored(splits, np.repeat(answer, len(known_targets(splits.valid)), axis=0), loss)
        predictions = predictions_of(test, np.repeat(answer, len(known_targets(test)), axis=0), task)
        return Trial(predictions, task.score(predictions), scores, *watch.seconds, size=columns.outputs)


def _answer(columns: Columns) -> np.ndarray:
    """Outputs for any sample, ``(1, outputs)`` float32."""
    if columns.form == CLASSES:
        counts = np.bincount(columns.targets[~np.isnan(columns.targets)].astype(np.int64), minlength=columns.outputs)
        return np.log((counts + 1e-6) / (counts.sum() + 1e-6))[None].astype(np.float32)
    means = columns.means()
    return (log_odds(means) if columns.form == LABELS else means)[None].astype(np.float32)
