"""The batches of training and of checks, for the loaders."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from sampleformer.data.batch import Batch
from sampleformer.data.batching import (
    RandomBatches,
    cut_by_length,
    cut_by_length_together,
    cut_in_order,
    cut_together,
    padded_tokens,
)
from sampleformer.data.collate import collate
from sampleformer.data.samples import Samples
from sampleformer.training.outputs import evaluation_batches

_STEPS_TO_SEARCH = 1000
Cut = Callable[[np.ndarray, int], Sequence[Sequence[np.ndarray]]]
"""From the sizes of the samples of a batch and the largest number of padded tokens at once to groups of chunks: the
places of each chunk's samples in the batch. One group after the other goes through the model."""


def one_by_one(
    cut: Callable[[np.ndarray, int], Sequence[np.ndarray]], sizes: np.ndarray, max_tokens: int
) -> list[list[np.ndarray]]:
    """Groups of one chunk each, as `cut_by_length` or `cut_in_order` cuts them."""
    return [[chunk] for chunk in cut(sizes, max_tokens)]


BY_LENGTH: Cut = partial(one_by_one, cut_by_length)
IN_ORDER: Cut = partial(one_by_one, cut_in_order)
TOGETHER: Cut = cut_together
BY_LENGTH_TOGETHER: Cut = cut_by_length_together


class StepChunks(Dataset[list[list[Batch]]]):
    """The batch of each step of training in groups of chunks, augmentations and random identifiers included.

    It depends on the seed and the step alone, never on what ran before.

    Args:
        samples: the training part.
        batches: which samples make which step.
        max_tokens: largest number of padded tokens in a group.
        cut: `BY_LENGTH`, `IN_ORDER`, `TOGETHER` or `BY_LENGTH_TOGETHER`.

    ``sizes`` are the numbers of tokens of the samples.
    """

    def __init__(self, samples: Samples, batches: RandomBatches, max_tokens: int, cut: Cut = BY_LENGTH) -> None:
        self._samples = samples
        self._batches = batches
        self._max_tokens = max_tokens
        self._cut = cut
        self.sizes = samples.sizes

    def __getitem__(self, step: int) -> list[list[Batch]]:
        return [[self.collate(step, rows) for rows in group] for group in self.rows(step)]

    def rows(self, step: int) -> list[list[np.ndarray]]:
        """Indices of the samples of each chunk of each group of a step."""
        batch = np.asarray(self._batches.batch(step))
        groups = self._cut(self.sizes[batch], self._max_tokens)
        return [[batch[places] for places in group] for group in groups]

    def largest(self) -> "LargestGroup":
        """The group with the most padded tokens, in the first pass or a part of it."""
        steps = [self.rows(step) for step in range(min(self._batches.batches_per_pass, _STEPS_TO_SEARCH))]
        most = max(len(groups) for groups in steps)
        found = [
            LargestGroup(step, group, padded_tokens(self.sizes, group), most)
            for step, groups in enumerate(steps)
            for group in groups
        ]
        return max(found, key=lambda group: group.tokens)

    def collate(self, step: int, rows: Sequence[int] | np.ndarray) -> Batch:
        """Some of the samples of a step, as the step sees them."""
        seed = self._batches.seed
        return collate([self._samples.drawn(row, np.random.default_rng([seed, step, row])) for row in map(int, rows)])


@dataclass(frozen=True)
class LargestGroup:
    """A group of chunks that needs most memory.

    Args:
        step: Its step.
        chunks: Indices of each chunk's samples, the longest ones first.
        tokens: Padded tokens.
        groups: Largest number of groups of a step.
    """

    step: int
    chunks: list[np.ndarray]
    tokens: int
    groups: int


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


def training_loader(chunks: StepChunks, steps: StepsToCheck, workers: int = 0) -> "DataLoader[list[list[Batch]]]":
    """Loads the steps of one virtual epoch, whose batches are the same whatever the number of worker processes."""
    # A loader draws a number from its generator whenever it starts; one of its own keeps torch's stream untouched.
    return DataLoader(chunks, batch_size=None, sampler=steps, generator=torch.Generator(), num_workers=workers)


def evaluation_loader(samples: Samples, max_tokens: int) -> "DataLoader[Batch]":
    """Loads every sample once, in the order of `evaluation_batches`."""
    batches = evaluation_batches(samples, max_tokens)
    return DataLoader(samples, batch_sampler=batches, collate_fn=collate, generator=torch.Generator())  # type: ignore[arg-type]
