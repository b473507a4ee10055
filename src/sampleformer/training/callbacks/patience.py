"""The end of a training that no longer gets better."""

import logging

from lightning.pytorch import Callback, LightningModule, Trainer

from sampleformer.training.callbacks.checkpoints import Checkpoints
from sampleformer.training.callbacks.metrics_file import MetricsFile
from sampleformer.wording import count

log = logging.getLogger("sampleformer")


class Patience(Callback):
    """Ends the training after some checks in a row of which none was the best so far.

    Args:
        checks: Number of checks. At least 1.
        metrics: What was measured; called before this.
        checkpoints: What knows which check was best.
    """

    def __init__(self, checks: int, metrics: MetricsFile, checkpoints: Checkpoints) -> None:
        self._checks = checks
        self._metrics = metrics
        self._checkpoints = checkpoints

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sees whether a training that goes on was over."""
        self._look(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counts the checks since the best one."""
        self._look(trainer)

    def _look(self, trainer: Trainer) -> None:
        since = sum(step > self._checkpoints.best_step for step in self._metrics.valid_scores())
        if since >= self._checks:
            log.info("%s without a better score: the training ends (training.patience)", count(since, "check"))
            trainer.should_stop = True
