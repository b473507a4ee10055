"""Tokens in the order of their codes, and how many hashes and heads are worked on together.

A *table* is one hash of one row (a head of a sample). Codes are as in `functional.bernoulli.buckets`: the number of a
bucket, or ``buckets`` for a token in none.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

NUMBERS_TOGETHER = 2**26
"""Numbers of float32 that one portion of tables may have beside inputs and results (256 MiB)."""
# Sorting holds some eight numbers a token: its code, its place, and both again while it runs.
NUMBERS_OF_SORTING = 8
MOST_TABLES = 2**15


@dataclass(frozen=True)
class SortedCodes:
    """Tokens of some tables by code; tokens of equal code in their own order, so that sums always run in one order.

    Attributes:
        numbers: ``(tables * n,)`` int32 ascending, ``code + table * (buckets + 1)``.
        order: ``(tables * n,)`` int64: where each comes from, ``token + table * n``.
        starts: ``(tables * (buckets + 1) + 1,)`` int32: where each bucket starts.
    """

    numbers: Tensor
    order: Tensor
    starts: Tensor

    @classmethod
    def of(cls, codes: Tensor, buckets: int) -> "SortedCodes":
        """Sorts codes of ``(rows, m, n)``."""
        rows, hashes, _ = codes.shape
        first = torch.arange(rows * hashes, device=codes.device, dtype=torch.int32) * (buckets + 1)
        numbers, order = (codes + first.view(rows, hashes, 1)).flatten().sort(stable=True)
        every = torch.arange(rows * hashes * (buckets + 1) + 1, device=codes.device, dtype=torch.int32)
        # A search, because counting would wait for the device to know the largest number.
        return cls(numbers, order, torch.searchsorted(numbers, every, out_int32=True))


def portions(rows: int, hashes: int, length: int, numbers: int) -> Iterator[tuple[slice, slice]]:
    """Rows and hashes to work on together: all hashes of some rows, or else some hashes of one row.

    Args:
        rows: how many there are.
        hashes: how many there are.
        length: tokens that are sorted for a table.
        numbers: of a table, beside those.
    """
    together = min(MOST_TABLES, max(1, NUMBERS_TOGETHER // (numbers + NUMBERS_OF_SORTING * length)))
    hashes_together, rows_together = min(together, hashes), max(1, together // hashes)
    for row in range(0, rows, rows_together):
        for hash_ in range(0, hashes, hashes_together):
            yield slice(row, row + rows_together), slice(hash_, hash_ + hashes_together)
