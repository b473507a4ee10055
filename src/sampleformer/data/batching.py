"""The order in which training sees the samples."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

_BATCHES_PER_POOL = 50


class LengthGroupedBatches(Sampler[list[int]]):
    """Batches of samples of similar length, so that little is padded.

    Batch t of training is a pure function of (seed, t): pass ``t // batches_per_pass`` over the data has its own
    random order. Within it, pools of fifty batches are sorted by length and cut into batches, and all batches are
    shuffled. Every sample occurs once in a pass; the last batch cut may be smaller.

    Args:
        lengths: number of tokens of each sample.
        batch_size: samples in a batch.
        seed: seed of the random orders.
        shuffle: False: all samples sorted by length, the same in every pass.

    Example:
        >>> batches = LengthGroupedBatches([5, 1, 4, 2], batch_size=2, seed=0, shuffle=False)
        >>> list(batches)
        [[1, 3], [2, 0]]
    """

    def __init__(self, lengths: Sequence[int] | np.ndarray, batch_size: int, seed: int, shuffle: bool = True) -> None:
        self.lengths = np.asarray(lengths, dtype=np.int64)
        if len(self.lengths) == 0 or batch_size < 1:
            raise ValueError(f"expected samples and a batch size of at least 1, got {len(lengths)} and {batch_size}")
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.batches_per_pass = -(-len(self.lengths) // batch_size)
        self._pass: int | None = None
        self._batches: list[list[int]] = []

    def __len__(self) -> int:
        return self.batches_per_pass

    def __iter__(self) -> Iterator[list[int]]:
        """The batches of the first pass."""
        return (self.batch(step) for step in range(self.batches_per_pass))

    def batch(self, step: int) -> list[int]:
        """Indices of the samples of batch `step` of training, counted from 0 over all passes."""
        number, place = divmod(step, self.batches_per_pass)
        if not self.shuffle:
            number = 0
        if self._pass != number:
            self._pass, self._batches = number, self._order(number)
        return self._batches[place]

    def _order(self, number: int) -> list[list[int]]:
        """All batches of one pass."""
        if not self.shuffle:
            return self._cut(np.arange(len(self.lengths)))
        random = np.random.default_rng([self.seed, number])
        order = random.permutation(len(self.lengths))
        pool = _BATCHES_PER_POOL * self.batch_size
        batches = [batch for start in range(0, len(order), pool) for batch in self._cut(order[start : start + pool])]
        return [batches[place] for place in random.permutation(len(batches))]

    def _cut(self, indices: np.ndarray) -> list[list[int]]:
        """Batches of these samples sorted by length; samples of the same length stay in order."""
        ranked = indices[np.argsort(self.lengths[indices], kind="stable")].tolist()
        return [ranked[start : start + self.batch_size] for start in range(0, len(ranked), self.batch_size)]
