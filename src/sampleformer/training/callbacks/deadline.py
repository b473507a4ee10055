"""The end of a training whose time is up."""

import logging
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from sampleformer.training.callbacks.metrics_file import MetricsFile
from sampleformer.training.processes import ALONE, Processes
from sampleformer.training.timing import TimeLimit

log = logging.getLogger("sampleformer")


class Deadline(Callback):
    """Ends the training in time for a last check and the scores of the test part.

    A training of fitted steps ends by itself; this is for a machine that became slower. What was spent before the first
    step counts, and so do earlier sessions of a training that goes on.

    Args:
        limit: Time of the training.
        metrics: What knows the time spent in earlier sessions.
        tests: Number of checks that take as long as scoring the test part.
        processes: Processes that train together; the clock of the first one counts.
    """

    def __init__(self, limit: TimeLimit, metrics: MetricsFile, tests: float, processes: Processes = ALONE) -> None:
        self._limit = limit
        self._metrics = metrics
        self._tests = tests
        self._processes = processes
        self._over = False
        self._check_started = 0.0
        self._step_started = 0.0

    @property
    def _spent(self) -> float:
        return self._metrics.seconds_before + self._limit.spent

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts to time a step; a training that was over has nothing to go on with."""
        self._step_started = self._spent
        trainer.should_stop = self._over

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ends the training if another step would be too late; the check comes first."""
        now = self._spent
        step, self._step_started = now - self._step_started, now
        if not trainer.is_last_batch and self._is_over(step):
            self._end(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the training at a check, too; called before the check is written."""
        self._step_started = self._spent
        if not trainer.should_stop and self._is_over(0.0) and trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            self._end(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts to time a check."""
        self._check_started = self._spent

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the time of the check."""
        self._limit.check = self._spent - self._check_started

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {"check": self._limit.check, "over": self._over}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self._limit.check, self._over = float(state_dict["check"]), bool(state_dict["over"])

    def _end(self, trainer: Trainer) -> None:
        log.info("step %d: the time is up, the training ends (training.minutes)", trainer.global_step)
        self._over = trainer.should_stop = True

    def _is_over(self, step: float) -> bool:
        over = self._spent + step + (1 + self._tests) * self._limit.check >= self._limit.seconds
        return self._processes.agreed(over)
