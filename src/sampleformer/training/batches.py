"""Which samples make which step."""

from collections.abc import Callable, Iterator

import torch
from torch.utils.data import DataLoader

from sampleformer.data.batch import Batch
from sampleformer.data.batching import LengthGroupedBatches
from sampleformer.data.samples import Samples, collate
from sampleformer.training.outputs import evaluation_batches


class StepBatches:
    """The batches of the steps from the current one to the next check.

    The batch of a step depends on the seed and the step alone, never on what ran before, so that a training that was
    stopped goes on exactly as if it had not been.

    Args:
        batches: the batch of each step.
        current_step: called when the steps begin.
        every: steps between checks.
        total: steps of the whole training.
    """

    def __init__(self, batches: LengthGroupedBatches, current_step: Callable[[], int], every: int, total: int) -> None:
        self._batches = batches
        self._current_step = current_step
        self._every = every
        self._total = total

    def _steps(self) -> range:
        start = self._current_step()
        return range(start, min(start - start % self._every + self._every, self._total))

    def __len__(self) -> int:
        return len(self._steps())

    def __iter__(self) -> Iterator[list[int]]:
        return (self._batches.batch(step) for step in self._steps())


def training_loader(samples: Samples, steps: StepBatches) -> "DataLoader[Batch]":
    """Loads the batches of one virtual epoch."""
    # A loader draws a number from its generator whenever it starts; one of its own keeps torch's stream untouched.
    return DataLoader(samples, batch_sampler=steps, collate_fn=collate, generator=torch.Generator())  # type: ignore[arg-type]


def evaluation_loader(samples: Samples, batch_size: int) -> "DataLoader[Batch]":
    """Loads every sample once, in the order of `evaluation_batches`."""
    batches = evaluation_batches(samples, batch_size)
    return DataLoader(samples, batch_sampler=batches, collate_fn=collate, generator=torch.Generator())  # type: ignore[arg-type]
