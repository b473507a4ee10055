"""The batches of training and of checks, for the loaders."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from sampleformer.data.batch import Batch
from sampleformer.data.batching import RandomBatches, cut_by_length
from sampleformer.data.collate import collate
from sampleformer.data.samples import Samples
from sampleformer.training.outputs import evaluation_batches

_STEPS_TO_SEARCH = 1000
Cut = Callable[[np.ndarray, int], Sequence[np.ndarray]]
"""From the sizes of the samples of a batch and the largest number of padded tokens to the places of each chunk's
samples in the batch: `cut_by_length`, `cut_in_order`."""


class StepChunks(Dataset[list[Batch]]):
    """The batch of each step of training in chunks, augmentations and random identifiers included.

    It depends on the seed and the step alone, never on what ran before.

    Args:
        samples: the training part.
        batches: which samples make which step.
        max_tokens: largest number of padded tokens in a chunk.
        cut: how a batch is cut.
    """

    def __init__(self, samples: Samples, batches: RandomBatches, max_tokens: int, cut: Cut = cut_by_length) -> None:
        self._samples = samples
        self._batches = batches
        self._max_tokens = max_tokens
        self._cut = cut
        self._sizes = samples.sizes

    def __getitem__(self, step: int) -> list[Batch]:
        return [self.collate(step, rows) for rows in self.rows(step)]

    def rows(self, step: int) -> list[np.ndarray]:
        """Indices of the samples of each chunk of a step."""
        batch = np.asarray(self._batches.batch(step))
        return [batch[places] for places in self._cut(self._sizes[batch], self._max_tokens)]

    def largest(self) -> tuple[int, np.ndarray, int]:
        """Step, samples and padded tokens of the chunk with the most of them, in the first pass or a part of it."""
        steps = range(min(self._batches.batches_per_pass, _STEPS_TO_SEARCH))
        chunks = [(step, rows, len(rows) * int(self._sizes[rows].max())) for step in steps for rows in self.rows(step)]
        return max(chunks, key=lambda chunk: chunk[2])

    def collate(self, step: int, rows: Sequence[int] | np.ndarray) -> Batch:
        """Some of the samples of a step, as the step sees them."""
        seed = self._batches.seed
        return collate([self._samples.drawn(row, np.random.default_rng([seed, step, row])) for row in map(int, rows)])


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


def training_loader(chunks: StepChunks, steps: StepsToCheck, workers: int = 0) -> "DataLoader[list[Batch]]":
    """Loads the steps of one virtual epoch, whose batches are the same whatever the number of worker processes."""
    # A loader draws a number from its generator whenever it starts; one of its own keeps torch's stream untouched.
    return DataLoader(chunks, batch_size=None, sampler=steps, generator=torch.Generator(), num_workers=workers)


def evaluation_loader(samples: Samples, max_tokens: int) -> "DataLoader[Batch]":
    """Loads every sample once, in the order of `evaluation_batches`."""
    batches = evaluation_batches(samples, max_tokens)
    return DataLoader(samples, batch_sampler=batches, collate_fn=collate, generator=torch.Generator())  # type: ignore[arg-type]
