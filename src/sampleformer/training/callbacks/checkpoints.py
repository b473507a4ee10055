"""The checkpoints of a run."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from sampleformer.files import written_whole
from sampleformer.training.module import TrainingModule
from sampleformer.training.scores import better


class Checkpoints(Checkpoint):
    """Writes ``last.ckpt`` at every check, and ``best.ckpt`` when a check is the best so far on the validation part.

    A file is written beside its final place and then moved there, so that it is whole whenever the training stops.

    Args:
        folder: where the files go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.best_scores: dict[str, float] | None = None
        self.best_step = 0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the files of one check."""
        assert isinstance(pl_module, TrainingModule)
        if better(pl_module.selected_by, pl_module.valid_scores, self.best_scores):
            self.best_scores, self.best_step = pl_module.valid_scores, trainer.global_step
            self._save(trainer, "best.ckpt")
        self._save(trainer, "last.ckpt")  # after the best, which it knows about

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"best_scores": self.best_scores, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self.best_scores, self.best_step = state_dict["best_scores"], state_dict["best_step"]

    def _save(self, trainer: Trainer, name: str) -> None:
        with written_whole(self._folder / name) as part:
            trainer.save_checkpoint(part)
