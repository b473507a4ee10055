"""How far a training has come."""

import logging
import sys
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sampleformer.data.progress import Pace
from sampleformer.training.callbacks.metrics_file import MetricsFile
from sampleformer.training.module import TrainingModule
from sampleformer.wording import number

REFRESH_SECONDS = 0.5
log = logging.getLogger("sampleformer")


class TrainingProgress(Callback):
    """A bar over all steps, on standard error, when that is a terminal; else lines, the first after the first step.

    The scores of each check are a line in both cases.

    Args:
        total_steps: steps of the whole training.
        metrics: what was measured; called before this.
    """

    def __init__(self, total_steps: int, metrics: MetricsFile) -> None:
        self._total_steps = total_steps
        self._metrics = metrics
        self._pace = Pace(total_steps)
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=Console(file=sys.stderr),
            transient=True,
            auto_refresh=False,
        )
        self._task = self._progress.add_task("training", total=total_steps, loss="", left="")
        self._shown = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shows the bar."""
        self._pace = Pace(self._total_steps, trainer.global_step, patience=0)
        if self._progress.console.is_terminal:
            self._progress.start()
            self._progress.update(self._task, completed=trainer.global_step, refresh=True)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Moves the bar, at most twice a second; or writes a line, at most every ten seconds."""
        step, pace = trainer.global_step, self._pace
        pace.step(step)
        if not self._progress.console.is_terminal:
            if pace.is_due():
                loss = float(outputs["task_loss"])
                log.info(f"step {step}/{self._total_steps}, loss {number(loss, 3)}, {_each(pace.seconds)}, {pace.left}")
        elif time.perf_counter() - self._shown > REFRESH_SECONDS:
            self._shown = time.perf_counter()
            shown = f"loss {number(float(outputs['task_loss']), 3)}"
            self._progress.update(self._task, completed=step, refresh=True, loss=shown, left=pace.left)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        """Writes a line in a long check, at most every ten seconds."""
        if not self._progress.console.is_terminal and self._pace.is_due():
            log.info(f"step {trainer.global_step}/{self._total_steps}, checking the validation part")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the line of a check."""
        assert isinstance(pl_module, TrainingModule)
        self._pace.step(trainer.global_step)
        scores, row, name = pl_module.valid_scores, self._metrics.last_row, pl_module.selected_by
        checked = [f"valid {each.replace('_', ' ')} {number(scores[each])}" for each in dict.fromkeys(("loss", name))]
        log.info(
            f"step {row['step']}/{self._total_steps}, train loss {number(row['train_loss'])}, {', '.join(checked)}, "
            f"{self._pace.left}"
        )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the bar away."""
        self._progress.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Takes the bar away before the error is shown."""
        self._progress.stop()


def _each(seconds: float) -> str:
    return f"{seconds:.1f} s a step" if seconds >= 0.95 else f"{1000 * seconds:.0f} ms a step"
