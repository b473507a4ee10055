"""The checkpoints of a run."""

import copy
import os
import shutil
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from sampleformer.files import written_whole
from sampleformer.tasks.metrics import better
from sampleformer.training.module import TrainingModule
from sampleformer.training.run_folder import RunFolder

_STEPS = "epoch_loop.manual_optimization.optim_step_progress"


class Checkpoints(Checkpoint):
    """Writes ``last.ckpt`` at every check, and ``best.ckpt`` when a check is the best so far on the validation part.

    What was the last one stays as ``previous.ckpt``, in case that the last one is damaged. A file is written beside its
    final place and then moved there, so that it is whole whenever the training stops. The first process writes.

    Args:
        folder: Run folder.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.best_scores: dict[str, float] | None = None
        self.best_step = 0
        self._loops: dict[str, Any] | None = None
        self._between = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compares a check with the best one, before other callbacks ask at the end of Lightning's epoch.

        There, Lightning calls callbacks that write checkpoints last.
        """
        assert isinstance(pl_module, TrainingModule)
        if better(pl_module.selected_by, pl_module.valid_scores, self.best_scores):
            self.best_scores, self.best_step = pl_module.valid_scores, trainer.global_step

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the files of one check."""
        if trainer.is_global_zero:
            self._keep_last()
        self._save(trainer, self._folder.last_checkpoint)
        if self.best_step == trainer.global_step:  # after the last one, of which it can be made if this is cut short
            self._save(trainer, self._folder.best_checkpoint)

    def save_between(self, trainer: Trainer) -> None:
        """Writes ``last.ckpt`` between two checks, for a training that must end; nothing before the first check."""
        if self._loops is None:
            return
        self._between = True
        if trainer.is_global_zero:
            self._keep_last()
        self._save(trainer, self._folder.last_checkpoint)
        self._between = False

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keeps how far Lightning's loops have come at a check; between two, says that they are there, with more steps.

        What is left of the steps to the next check is an epoch of its own to the loops that go on, see `StepsToCheck`.
        """
        if not self._between:
            self._loops = copy.deepcopy(checkpoint["loops"])
        elif self._loops is not None:
            now, then = checkpoint["loops"]["fit_loop"], copy.deepcopy(self._loops)
            then["fit_loop"][_STEPS] = now[_STEPS]
            checkpoint["loops"] = then

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Takes over how far the loops had come."""
        self._loops = copy.deepcopy(checkpoint["loops"])

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"best_scores": self.best_scores, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        scores = state_dict["best_scores"]
        self.best_scores = None if scores is None else {name: float(value) for name, value in scores.items()}
        self.best_step = int(state_dict["best_step"])

    def _keep_last(self) -> None:
        last = self._folder.last_checkpoint
        if last.exists():
            with written_whole(self._folder.previous_checkpoint) as part:
                try:
                    os.link(last, part)
                except OSError:  # not every file system has links
                    shutil.copyfile(last, part)

    def _save(self, trainer: Trainer, path: Path) -> None:
        if not trainer.is_global_zero:  # which takes part, but writes nothing
            trainer.save_checkpoint(path)
            return
        with written_whole(path) as part:
            trainer.save_checkpoint(part)
