"""The batches of a training, for Lightning's loop."""

import math
from functools import cached_property

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from sampleformer.data.batch import Batch
from sampleformer.data.batching import RandomBatches
from sampleformer.data.source import Splits
from sampleformer.training.batches import BY_LENGTH, Cut, StepChunks, StepsToCheck, evaluation_loader, training_loader
from sampleformer.training.outputs import evaluation_batches
from sampleformer.training.processes import ALONE, Processes
from sampleformer.training.settings import TrainingSettings


class TrainingData(LightningDataModule):
    """Loads the training part in virtual epochs, from one check to the next, and the validation part at each check.

    Args:
        splits: the data.
        settings: of the training.
        seed: of the order of the samples.
        cut: How a batch becomes groups of chunks.
        processes: Processes that share each batch and each check.
    """

    def __init__(
        self,
        splits: Splits,
        settings: TrainingSettings,
        seed: int,
        cut: Cut = BY_LENGTH,
        processes: Processes = ALONE,
    ) -> None:
        super().__init__()
        self._splits = splits
        self._settings = settings
        self._processes = processes
        batches = RandomBatches(len(splits.train), settings.accumulate * settings.batch_size, seed)
        self.chunks = StepChunks(
            splits.train, batches, settings.max_tokens, cut, settings.parts or processes.shares, processes
        )
        self.batches_per_pass = batches.batches_per_pass
        self.total_steps = settings.total_steps(self.batches_per_pass)
        self._every = settings.steps_between_checks(self.batches_per_pass)

    @property
    def checks(self) -> int:
        """Number of virtual epochs in the whole training; the last may be shorter."""
        return math.ceil(self.total_steps / self._every)

    @cached_property
    def check_batches(self) -> list[list[int]]:
        """Indices of the samples of each batch of a check, which are the same each time: see `evaluation_batches`."""
        return evaluation_batches(self._splits.valid, self._settings.max_tokens)

    def train_dataloader(self) -> "DataLoader[list[list[Batch]]]":
        """Groups of chunks of the steps from the current one to the next check."""
        steps = StepsToCheck(self._current_step, self._every, self.total_steps)
        return training_loader(self.chunks, steps, self._settings.workers)

    def val_dataloader(self) -> "DataLoader[Batch]":
        """Every sample of the validation part."""
        return evaluation_loader(self._splits.valid, self.check_batches, self._processes)

    def _current_step(self) -> int:
        return self.trainer.global_step if self.trainer else 0
