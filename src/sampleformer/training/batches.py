"""Which samples make which step."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from sampleformer.data.batch import Batch
from sampleformer.data.batching import LengthGroupedBatches
from sampleformer.data.collate import collate
from sampleformer.data.samples import Samples
from sampleformer.training.outputs import evaluation_batches


class StepBatch(Dataset[Batch]):
    """The batch of each step of training, augmentations and random identifiers included.

    It depends on the seed and the step alone, never on what ran before.

    Args:
        samples: the training part.
        batches: which samples make which step.
    """

    def __init__(self, samples: Samples, batches: LengthGroupedBatches) -> None:
        self._samples = samples
        self._batches = batches

    def __getitem__(self, step: int) -> Batch:
        seed = self._batches.seed
        rows = self._batches.batch(step)
        return collate([self._samples.drawn(row, np.random.default_rng([seed, step, row])) for row in rows])


class StepsToCheck:
    """The steps from the current one to the next check, so that a stopped training goes on as if it had not been.

    Args:
        current_step: called when the steps begin.
        every: steps between checks.
        total: steps of the whole training.
    """

    def __init__(self, current_step: Callable[[], int], every: int, total: int) -> None:
        self._current_step = current_step
        self._every = every
        self._total = total

    def _steps(self) -> range:
        start = self._current_step()
        return range(start, min(start - start % self._every + self._every, self._total))

    def __len__(self) -> int:
        return len(self._steps())

    def __iter__(self) -> Iterator[int]:
        return iter(self._steps())


def training_loader(samples: Samples, batches: LengthGroupedBatches, steps: StepsToCheck) -> "DataLoader[Batch]":
    """Loads the batches of one virtual epoch."""
    # A loader draws a number from its generator whenever it starts; one of its own keeps torch's stream untouched.
    return DataLoader(StepBatch(samples, batches), batch_size=None, sampler=steps, generator=torch.Generator())


def evaluation_loader(samples: Samples, batch_size: int) -> "DataLoader[Batch]":
    """Loads every sample once, in the order of `evaluation_batches`."""
    batches = evaluation_batches(samples, batch_size)
    return DataLoader(samples, batch_sampler=batches, collate_fn=collate, generator=torch.Generator())  # type: ignore[arg-type]
