"""Batches of samples of similar length, as the training engine had them before batches came in random order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from unittest.mock import patch

import numpy as np

from sampleformer.data.batching import RandomBatches
from sampleformer.training import data_module


class BatchesByLength(RandomBatches):
    """Batches of neighbours in the order of lengths, which come in random order.

    Args:
        samples, batch_size, seed: As of `RandomBatches`.
        sizes: Number of tokens of each sample, ``(samples,)``.

    Example:
        >>> batches = BatchesByLength(4, batch_size=2, seed=0, sizes=np.array([5, 1, 6, 2]))
        >>> sorted(sorted(batch) for batch in batches)
        [[0, 2], [1, 3]]
    """

    def __init__(self, samples: int, batch_size: int, seed: int, *, sizes: np.ndarray) -> None:
        super().__init__(samples, batch_size, seed)
        self.sizes = sizes

    def batch(self, step: int) -> list[int]:
        """Indices of the samples of batch `step` of training; each pass deals equal lengths anew."""
        number, place = divmod(step, self.batches_per_pass)
        random = np.random.default_rng([self.seed, number])
        order = random.permutation(self.samples)
        batches = np.array_split(order[np.argsort(self.sizes[order], kind="stable")], self.batches_per_pass)
        return batches[random.permutation(self.batches_per_pass)[place]].tolist()


@contextmanager
def ordered(sizes: np.ndarray | None) -> Iterator[None]:
    """Trainings inside have batches by length.

    Args:
        sizes: Number of tokens of each sample of the training part. None: batches come in random order, as always.
    """
    if sizes is None:
        yield
        return
    with patch.object(data_module, "RandomBatches", partial(BatchesByLength, sizes=sizes)):
        yield
