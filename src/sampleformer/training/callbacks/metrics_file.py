"""The metrics of a run as a table."""

import math
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from sampleformer.errors import InputError
from sampleformer.files import write_csv
from sampleformer.training.module import TrainingModule
from sampleformer.training.scaled_precision import ScaledPrecision
from sampleformer.training.score_terms import SCORE_TERMS

LOG_EVERY = 50


class MetricsFile(Callback):
    """Writes ``metrics.csv``.

    A row every 50 steps holds the mean training loss since the row before, that of the task alone; terms beside it have
    columns of their own. The rows of checks hold the scores of the validation part as well. The file is written whole
    at every check, so that it never runs ahead of the checkpoint. With scaled gradients, losses that are no finite
    numbers are left out of the mean, as their steps are left out of the training.

    Args:
        path: of the table.

    ``seconds_before`` is the time spent in earlier sessions.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[dict[str, Any]] = []
        self._sums: dict[str, torch.Tensor] = {}
        self._count: int | torch.Tensor = 0
        self.seconds_before = 0.0
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        """Time spent on training and checks, over all sessions."""
        now = time.perf_counter()
        return self.seconds_before + (0.0 if self._started is None else now - self._started)

    @property
    def last_row(self) -> dict[str, Any]:
        """The newest row."""
        return self._rows[-1]

    def valid_scores(self) -> dict[int, dict[str, float]]:
        """Scores on the validation part, by the step of the check."""
        return {
            row["step"]: {name.removeprefix("valid_"): row[name] for name in row if name.startswith("valid_")}
            for row in self._rows
            if "valid_loss" in row
        }

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock."""
        self._started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Adds the loss up without waiting for the device; every 50 steps, reads the sum."""
        values = {"loss": outputs["task_loss"]}
        values |= {name: outputs[name] for name in SCORE_TERMS if name in outputs}
        counts: int | torch.Tensor = 1
        if isinstance(trainer.precision_plugin, ScaledPrecision):
            counts = torch.stack(list(values.values())).isfinite().all()
            values = {name: value.where(counts, 0.0) for name, value in values.items()}
        for name, value in values.items():
            zero = torch.zeros((), dtype=torch.float32, device=value.device)
            self._sums[name] = self._sums.get(name, zero).to(value.device) + value
        self._count = self._count + counts
        if trainer.global_step % LOG_EVERY == 0 and not (trainer.is_last_batch or trainer.should_stop):
            self._add_row(trainer, {})

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the row of a check."""
        assert isinstance(pl_module, TrainingModule)
        scores = pl_module.valid_scores
        self._add_row(trainer, {f"valid_{name}": value for name, value in scores.items()})
        if trainer.is_global_zero:
            write_csv(self._path, _columns(self._rows), self._rows)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"rows": self._rows, "seconds": self.seconds, "sums": self._sums, "count": int(self._count)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self._rows, self.seconds_before = [dict(row) for row in state_dict["rows"]], float(state_dict["seconds"])
        self._sums, self._count = dict(state_dict["sums"]), int(state_dict["count"])

    def _add_row(self, trainer: Trainer, scores: dict[str, float]) -> None:
        count = int(self._count)
        if not count and not scores:  # all steps since the row before were left out: the next row may know more
            return
        means = {f"train_{name}": float(total) / count if count else math.nan for name, total in self._sums.items()}
        train_loss = means["train_loss"]
        self._sums, self._count = {}, 0
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        some_before = not count and bool(self._rows) and "valid_loss" not in self._rows[-1]
        if not math.isfinite(train_loss) and not some_before:
            raise InputError(
                f"training.learning_rate: the training loss became {train_loss} before step {trainer.global_step}; "
                f"use a lower learning rate than {rate:g}, or a lower training.gradient_clip"
            )
        row = {"step": trainer.global_step, "epoch": _pass(trainer), **means, **scores}
        row |= {"learning_rate": rate, "seconds": round(self.seconds, 3)}
        self._rows.append(row)


def _pass(trainer: Trainer) -> float:
    module = trainer.lightning_module
    assert isinstance(module, TrainingModule)
    return round(trainer.global_step / module.batches_per_pass, 4)


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    return list(max(rows, key=lambda row: len(list(row))))  # a check's row has all of them
