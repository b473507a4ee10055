"""A progress bar over the whole training."""

import sys
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

REFRESH_SECONDS = 0.5


class TrainingProgress(Callback):
    """One bar over all steps, on standard error, when that is a terminal.

    Args:
        total_steps: of the whole training.
    """

    def __init__(self, total_steps: int) -> None:
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            transient=True,
            auto_refresh=False,
        )
        self._task = self._progress.add_task("training", total=total_steps)
        self._shown = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shows the bar."""
        if self._progress.console.is_terminal:
            self._progress.start()
            self._progress.update(self._task, completed=trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Moves the bar, at most twice a second."""
        if time.perf_counter() - self._shown > REFRESH_SECONDS:
            self._shown = time.perf_counter()
            self._progress.update(self._task, completed=trainer.global_step, refresh=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the bar away."""
        self._progress.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Takes the bar away before the error is shown."""
        self._progress.stop()
