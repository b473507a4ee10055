"""Sums over colliding pairs, pair by pair: for inputs so short that tables of buckets cost more."""

from collections.abc import Iterator

import torch
from torch import Tensor

# On CPUs, so many pairs are worked on together; elsewhere the number of calls costs more.
PAIRS_PER_BLOCK = 2**20
TIMES_ELSEWHERE = 2**7
# What a number of a pair costs, beside a number of the buckets' matrices; measured on a CPU.
PAIR_OVER_MATRIX = 1 / 64


def are_cheaper(query_codes: Tensor, key_codes: Tensor, query: Tensor, value: Tensor, buckets: int) -> bool:
    """Whether `outer_over_pairs` takes less time than `outer_over_collisions`: up to some 3 000 tokens as published."""
    hashes, e, c = query_codes.shape[-2], query.shape[-1], value.shape[-1]
    pairs = query_codes.shape[-1] * key_codes.shape[-1]
    return pairs * (hashes + e + c) * PAIR_OVER_MATRIX <= hashes * buckets * e * c


def outer_over_pairs(
    query_codes: Tensor, key_codes: Tensor, query: Tensor, key: Tensor, value: Tensor, gradient: Tensor, buckets: int
) -> tuple[Tensor, Tensor]:
    """The same as `outer_over_collisions`, through the number of collisions of every pair: O(n·k·(m + e + c))."""
    of_query, of_key = torch.zeros_like(query), torch.zeros_like(key)
    # What is in no bucket meets nothing, not even what is in none on the other side.
    query_codes = query_codes.masked_fill(query_codes == buckets, -1)
    for row, at in _blocks(query, key):
        weights = gradient[row, at] @ value[row].transpose(1, 2)
        weights *= _collisions(query_codes[row, :, at], key_codes[row])
        of_query[row, at] = weights @ key[row]
        of_key[row] += weights.transpose(1, 2) @ query[row, at]
    return of_query, of_key


def _blocks(query: Tensor, key: Tensor) -> Iterator[tuple[slice, slice]]:
    """Rows and queries to work on together."""
    rows, length, _ = query.shape
    pairs = PAIRS_PER_BLOCK * (1 if query.device.type == "cpu" else TIMES_ELSEWHERE)
    together = max(1, pairs // max(1, key.shape[1]))
    queries, rows_together = min(together, max(1, length)), max(1, together // max(1, length))
    for row in range(0, rows, rows_together):
        for start in range(0, length, queries):
            yield slice(row, row + rows_together), slice(start, start + queries)


def _collisions(query_codes: Tensor, key_codes: Tensor) -> Tensor:
    """How many of the m hashes collide, ``(rows, n, k)``."""
    rows, hashes, length = query_codes.shape
    # Bytes are compared and added fastest, and hold up to 255.
    dtype = torch.uint8 if hashes <= 255 else torch.int32
    counts = torch.zeros(rows, length, key_codes.shape[-1], dtype=dtype, device=query_codes.device)
    for hash_ in range(hashes):
        counts += query_codes[:, hash_, :, None] == key_codes[:, hash_, None, :]
    return counts
