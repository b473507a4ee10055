"""The order in which training sees the samples, and the chunks that go through the model at once."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

CHUNK_OVERHEAD = 1500
"""Padded tokens that take a CPU as long as what a chunk costs beside its tokens, most of which run without padding."""


class RandomBatches(Sampler[list[int]]):
    """Batches of samples in random order.

    Batch t of training is a pure function of (seed, t): pass ``t // batches_per_pass`` over the data has its own
    permutation, which is split into batches of nearly equal size.

    Args:
        samples: number of samples. At least 1.
        batch_size: largest number of samples in a batch. At least 1.
        seed: seed of the permutations.

    Example:
        >>> sorted(len(batch) for batch in RandomBatches(samples=9, batch_size=4, seed=0))
        [3, 3, 3]
    """

    def __init__(self, samples: int, batch_size: int, seed: int) -> None:
        if samples < 1 or batch_size < 1:
            raise ValueError(f"expected samples and a batch size of at least 1, got {samples} and {batch_size}")
        self.samples = samples
        self.seed = seed
        self.batches_per_pass = -(-samples // batch_size)
        self._pass: int | None = None
        self._batches: list[np.ndarray] = []

    def __len__(self) -> int:
        return self.batches_per_pass

    def __iter__(self) -> Iterator[list[int]]:
        """The batches of the first pass."""
        return (self.batch(step) for step in range(self.batches_per_pass))

    def batch(self, step: int) -> list[int]:
        """Indices of the samples of batch `step` of training, counted from 0 over all passes."""
        number, place = divmod(step, self.batches_per_pass)
        if self._pass != number:
            order = np.random.default_rng([self.seed, number]).permutation(self.samples)
            self._pass = number
            self._batches = np.array_split(order, self.batches_per_pass)
        return self._batches[place].tolist()


def cut_by_length(
    sizes: Sequence[int] | np.ndarray, max_tokens: int, overhead: int = CHUNK_OVERHEAD
) -> list[np.ndarray]:
    """Chunks of samples of similar size, which take the least time.

    A chunk costs its padded tokens, ``samples · longest``, and the overhead. Samples that are sorted by size are cut
    where the sum of the costs is smallest.

    Args:
        sizes: tokens of each sample.
        max_tokens: largest number of padded tokens in a chunk; a sample of more is a chunk by itself.
        overhead: padded tokens that take as long as what a chunk costs beside them.

    Returns:
        Indices of the samples of each chunk; the longest samples come first, so that memory for the later chunks is
        there.

    Example:
        >>> [chunk.tolist() for chunk in cut_by_length([900, 10, 1000, 12], max_tokens=2000, overhead=100)]
        [[0, 2], [1, 3]]
    """
    order = np.argsort(sizes, kind="stable")
    ranked = np.maximum(np.asarray(sizes, dtype=np.int64)[order], 1)  # a sample without tokens is padded to one
    best = np.zeros(len(ranked) + 1, dtype=np.int64)  # cost of the first samples
    starts = np.zeros(len(ranked) + 1, dtype=np.int64)  # of the chunk that ends there
    for end in range(1, len(ranked) + 1):
        longest = int(ranked[end - 1])
        first = max(0, end - max(1, max_tokens // longest))
        costs = best[first:end] + longest * np.arange(end - first, 0, -1)
        at = int(costs.argmin())
        best[end], starts[end] = costs[at] + overhead, first + at
    chunks, end = [], len(ranked)
    while end > 0:
        chunks.append(order[starts[end] : end])
        end = int(starts[end])
    return chunks


def cut_in_parts(sizes: Sequence[int] | np.ndarray, max_tokens: int, parts: int) -> list[np.ndarray]:
    """Chunks of samples of similar size, enough of them to give several processes equal work.

    The chunks of `cut_by_length`, none of which costs more than the dearest of `parts` chunks that cost as little as
    can be.

    Args:
        sizes: tokens of each sample.
        max_tokens: largest number of padded tokens in a chunk; a sample of more is a chunk by itself.
        parts: number of processes. At least 1.

    Returns:
        Indices of the samples of each chunk, the longest samples first.

    Example:
        >>> [len(chunk) for chunk in cut_in_parts([64] * 30, max_tokens=4096, parts=4)]
        [8, 8, 8, 6]
    """
    if parts > 1:
        max_tokens = min(max_tokens, _largest_share(np.maximum(np.sort(sizes)[::-1], 1), parts))
    return cut_by_length(sizes, max_tokens)


def _largest_share(descending: np.ndarray, parts: int) -> int:
    """The fewest padded tokens such that no more than `parts` chunks of at most so many hold all samples."""

    def chunks_of(most: int) -> int:
        count, place = 0, 0
        while place < len(descending):
            place += max(1, most // int(descending[place]))
            count += 1
        return count

    low, high = int(descending[0]), int(descending[0]) * -(-len(descending) // parts)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if chunks_of(middle) <= parts else (middle + 1, high)
    return low


def deal(costs: Sequence[int], processes: int) -> list[list[int]]:
    """Pieces of work dealt out to processes: the dearest first, each to the one that has least to do.

    Args:
        costs: Cost of each piece.
        processes: Number of processes. At least 1.

    Returns:
        Numbers of the pieces of each process, ascending; none where there are fewer pieces than processes.

    Example:
        >>> deal([5, 1, 2, 2], 2)
        [[0], [1, 2, 3]]
    """
    shares: list[list[int]] = [[] for _ in range(processes)]
    loads = [0] * processes
    for piece in np.argsort(-np.asarray(costs, dtype=np.int64), kind="stable").tolist():
        least = loads.index(min(loads))
        shares[least].append(piece)
        loads[least] += costs[piece]
    return [sorted(share) for share in shares]


def cut_together(sizes: Sequence[int] | np.ndarray, max_tokens: int, parts: int = 1) -> list[list[np.ndarray]]:
    """Groups of chunks that are at hand together: for a model that looks at all samples of a batch, chunk by chunk.

    The chunks of a group are those of `cut_in_parts`. All samples are one group, if its padded tokens are at most
    `max_tokens`; else they make the fewest groups of nearly equal numbers of samples, in the order given, that are.

    Args:
        sizes: tokens of each sample.
        max_tokens: largest number of padded tokens in a group; a sample of more is a group by itself.
        parts: number of processes that share a group.

    Returns:
        Indices of the samples of each chunk of each group.

    Example:
        >>> [[chunk.tolist() for chunk in group] for group in cut_together([900, 10, 1000, 12], max_tokens=3000)]
        [[[0, 2], [1, 3]]]
    """
    sizes = np.maximum(np.asarray(sizes, dtype=np.int64), 1)
    groups: list[list[np.ndarray]] = []
    for count in range(1, len(sizes) + 1):
        several = np.array_split(np.arange(len(sizes)), count)
        groups = [[part[chunk] for chunk in cut_in_parts(sizes[part], max_tokens, parts)] for part in several]
        if all(padded_tokens(sizes, group) <= max_tokens for group in groups):
            break
    return groups


def cut_by_length_together(
    sizes: Sequence[int] | np.ndarray, max_tokens: int, parts: int = 1
) -> list[list[np.ndarray]]:
    """The chunks of `cut_in_parts` in groups that are at hand together, each of at most so many padded tokens.

    Args:
        sizes: tokens of each sample.
        max_tokens: largest number of padded tokens in a group; a sample of more is a group by itself.
        parts: number of processes.

    Returns:
        Indices of the samples of each chunk of each group, the longest samples first.

    Example:
        >>> [[chunk.tolist() for chunk in group] for group in cut_by_length_together([900, 10, 1000, 12], 2000)]
        [[[0, 2]], [[1, 3]]]
    """
    sizes = np.maximum(np.asarray(sizes, dtype=np.int64), 1)
    chunks = cut_in_parts(sizes, max_tokens, parts)
    return [[chunks[number] for number in group] for group in grouped(sizes, chunks, max_tokens)]


def grouped(sizes: np.ndarray, chunks: Sequence[np.ndarray], max_tokens: int) -> list[list[int]]:
    """Chunks, in their order, in groups of at most so many padded tokens; a larger chunk is a group by itself.

    Args:
        sizes: tokens of each sample.
        chunks: Indices of the samples of each chunk.
        max_tokens: largest number of padded tokens in a group.

    Returns:
        Numbers of the chunks of each group.
    """
    groups: list[list[int]] = []
    room = 0
    for number, chunk in enumerate(chunks):
        tokens = padded_tokens(sizes, [chunk])
        if tokens > room or not groups:
            groups.append([])
            room = max_tokens
        groups[-1].append(number)
        room -= tokens
    return groups


def padded_tokens(sizes: np.ndarray, chunks: Iterable[np.ndarray]) -> int:
    """Padded tokens of some chunks, from the sizes of all samples and the indices of each chunk's."""
    return sum(len(chunk) * int(sizes[chunk].max()) for chunk in chunks)


def cut_in_order(sizes: Sequence[int] | np.ndarray, max_tokens: int, parts: int = 1) -> list[np.ndarray]:
    """The fewest chunks, but one for each process where there are so many samples.

    They have nearly equal numbers of samples, in the order given, each of at most `max_tokens`.

    Samples of a random order stay a random one: for a model that looks at all samples of a chunk, such as a batch norm.

    Args:
        sizes: tokens of each sample.
        max_tokens: largest number of padded tokens in a chunk; a sample of more is a chunk by itself.
        parts: number of processes.

    Returns:
        Indices of the samples of each chunk.

    Example:
        >>> [chunk.tolist() for chunk in cut_in_order([900, 10, 1000, 12], max_tokens=2000)]
        [[0, 1], [2, 3]]
    """
    sizes = np.maximum(np.asarray(sizes, dtype=np.int64), 1)
    for count in range(min(parts, len(sizes)), len(sizes)):
        chunks = np.array_split(np.arange(len(sizes)), count)
        if all(len(chunk) == 1 or len(chunk) * sizes[chunk].max() <= max_tokens for chunk in chunks):
            return chunks
    return list(np.arange(len(sizes))[:, None])
