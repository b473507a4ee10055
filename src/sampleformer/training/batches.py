"""The batches of training and of checks, for the loaders."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from sampleformer.data.batch import Batch, Chunk
from sampleformer.data.batching import (
    CHUNK_OVERHEAD,
    RandomBatches,
    cut_by_length_together,
    cut_in_order,
    cut_in_parts,
    cut_together,
    deal,
    grouped,
    padded_tokens,
)
from sampleformer.data.collate import collate
from sampleformer.data.samples import Samples
from sampleformer.training.outputs import share_of
from sampleformer.training.processes import ALONE, Processes
from sampleformer.training.random_state import TRAINING, seed_of

_STEPS_TO_SEARCH = 1000
Cut = Callable[[np.ndarray, int, int], Sequence[Sequence[np.ndarray]]]
"""From the sizes of the samples of a batch, the largest number of padded tokens at once and the number of processes to
keep busy, to groups of chunks: the places of each chunk's samples in the batch. One group after the other goes through
the model."""


def one_by_one(
    cut: Callable[[np.ndarray, int, int], Sequence[np.ndarray]], sizes: np.ndarray, max_tokens: int, parts: int
) -> list[list[np.ndarray]]:
    """Groups of one chunk each, as `cut_in_parts` or `cut_in_order` cuts them."""
    return [[chunk] for chunk in cut(sizes, max_tokens, parts)]


BY_LENGTH: Cut = partial(one_by_one, cut_in_parts)
IN_ORDER: Cut = partial(one_by_one, cut_in_order)
TOGETHER: Cut = cut_together
BY_LENGTH_TOGETHER: Cut = cut_by_length_together
SIDE_BY_SIDE = (TOGETHER, BY_LENGTH_TOGETHER)
"""Cuts whose groups go through the model as one."""


class StepChunks(Dataset[list[list[Batch]]]):
    """The batch of each step of training in groups of chunks, augmentations and random identifiers included.

    It depends on the seed and the step alone, never on what ran before. Of several processes each has a share of the
    chunks, which are the same however many there are.

    Args:
        samples: the training part.
        batches: which samples make which step.
        max_tokens: largest number of padded tokens in a group.
        cut: `BY_LENGTH`, `IN_ORDER`, `TOGETHER` or `BY_LENGTH_TOGETHER`.
        parts: Number of processes that the chunks are to keep busy, see `TrainingSettings`.
        processes: Processes that share the batch.

    ``sizes`` are the numbers of tokens of the samples.
    """

    def __init__(
        self,
        samples: Samples,
        batches: RandomBatches,
        max_tokens: int,
        cut: Cut = BY_LENGTH,
        parts: int = 1,
        processes: Processes = ALONE,
    ) -> None:
        self._samples = samples
        self._batches = batches
        self._max_tokens = max_tokens
        self._cut = cut
        self._parts = parts
        self._processes = processes
        self.sizes = samples.sizes

    def __getitem__(self, step: int) -> list[list[Batch]]:
        groups = self.rows(step)
        total = sum(map(len, groups))
        if self._cut is TOGETHER:  # every process takes part in every group, whose statistics they share
            starts = np.cumsum([0, *map(len, groups)]).tolist()
            found = [
                [(start + number, group[number]) for number in self._dealt(group)[self._processes.share]]
                for start, group in zip(starts, groups, strict=False)
            ]
            return [
                [self._chunk(step, rows, number, total) for number, rows in share] or [self._follower(step, group)]
                for share, group in zip(found, groups, strict=True)
            ]
        chunks = [chunk for group in groups for chunk in group]
        shares = [self._grouped(chunks, share) for share in self._dealt(chunks)]
        own = [
            [self._chunk(step, chunks[number], number, total) for number in group]
            for group in shares[self._processes.share]
        ]
        missing = max(map(len, shares)) - len(own) if self._processes.in_step else 0
        return own + [[self._follower(step, chunks)] for _ in range(missing)]

    def _grouped(self, chunks: Sequence[np.ndarray], share: Sequence[int]) -> list[list[int]]:
        """Numbers of the chunks of a share, in groups that go through the model as one."""
        if self._cut is not BY_LENGTH_TOGETHER:
            return [[number] for number in share]
        found = grouped(self.sizes, [chunks[number] for number in share], self._max_tokens)
        return [[share[place] for place in group] for group in found]

    def _dealt(self, chunks: Sequence[np.ndarray]) -> list[list[int]]:
        """Numbers of the chunks of each share of the batch."""
        costs = [padded_tokens(self.sizes, [chunk]) + CHUNK_OVERHEAD for chunk in chunks]
        return deal(costs, self._processes.shares)

    def _chunk(self, step: int, rows: np.ndarray, number: int, total: int) -> Batch:
        return replace(self.collate(step, rows), chunk=Chunk(self._noise_seed(step, rows), number, total))

    def _follower(self, step: int, group: list[np.ndarray]) -> Batch:
        """A sample of a group for a process that has none of it, which counts nowhere."""
        smallest = min(np.concatenate(group), key=lambda row: int(self.sizes[row]))
        return replace(self.collate(step, [smallest]), chunk=Chunk(self._noise_seed(step, [smallest]), counts=False))

    def _noise_seed(self, step: int, rows: Sequence[int] | np.ndarray) -> int:
        return seed_of(self._batches.seed, TRAINING, step, int(rows[0]))

    def rows(self, step: int) -> list[list[np.ndarray]]:
        """Indices of the samples of each chunk of each group of a step."""
        batch = np.asarray(self._batches.batch(step))
        groups = self._cut(self.sizes[batch], self._max_tokens, self._parts)
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


def evaluation_loader(
    samples: Samples, batches: Sequence[Sequence[int]], processes: Processes = ALONE
) -> "DataLoader[Batch]":
    """Loads batches, as `evaluation_batches` gives them; of several processes each loads its share."""
    own = [batches[number] for number in share_of(batches, samples, processes)]
    return DataLoader(samples, batch_sampler=own, collate_fn=collate, generator=torch.Generator())  # type: ignore[arg-type]
