"""Random numbers of training that nothing else disturbs."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from sampleformer.training.random_state import TRAINING, seed_everything


class RandomStates(Callback):
    """Starts every generator anew before each step, from the seed and the step.

    Checks, loaders and loggers may draw what they like in between; a training that goes on from a checkpoint, in any
    number of processes, draws the same numbers as one that never stopped.

    Args:
        seed: Seed of the training.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Starts the generators of a step."""
        seed_everything(self._seed, TRAINING, trainer.global_step)
