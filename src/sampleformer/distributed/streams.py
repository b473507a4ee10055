"""Random numbers of a chunk of a batch that no other chunk disturbs."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from typing import TypeVar

import torch

T = TypeVar("T")
_APART = 0x9E3779B97F4A7C15
"""Odd, so that visits of one chunk have seeds of their own."""


class _Streams:
    """The seeds of some chunks, and how often all of them were visited."""

    def __init__(self, seeds: Sequence[int | None]) -> None:
        self.seeds = seeds
        self.visits = 0
        self.rows: list[int] | None = None
        self.alone = False  # one chunk has its turn


_CURRENT: ContextVar[_Streams | None] = ContextVar("streams", default=None)


def start_stream(seed: int | None, visit: int = 0) -> None:
    """Starts torch's generators anew.

    Args:
        seed: Seed of a chunk. None: they go on.
        visit: Number of earlier starts with this seed.
    """
    if seed is None:
        return
    number = (seed + visit * _APART) % 2**63
    # `torch.manual_seed` does the same, and notes where it was called from for devices that nobody uses: a millisecond,
    # some eighty times a step.
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(number)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(number)


def streams(seeds: Sequence[int | None]) -> ExitStack:
    """Context in which chunks that take turns draw random numbers of their own, see `in_turn`.

    It begins at once.

    Args:
        seeds: Seed of each chunk.
    """
    held = ExitStack()
    held.callback(_CURRENT.reset, _CURRENT.set(_Streams(seeds)))
    return held


def in_turn(chunks: Iterable[T]) -> Iterator[T]:
    """The chunks of a batch one after the other, each with its own random numbers.

    Args:
        chunks: As many as `streams` has seeds, in that order. Outside of it nothing is done but to go through them.

    Example:
        >>> with streams([1, 2]):
        ...     together = [float(torch.rand(())) for _ in in_turn("ab")]
        >>> with streams([2]):
        ...     alone = [float(torch.rand(())) for _ in in_turn("b")]
        >>> together[1] == alone[0]
        True
    """
    current = _CURRENT.get()
    if current is None:
        yield from chunks
        return
    visit, current.visits = current.visits, current.visits + 1
    current.alone = True
    for seed, chunk in zip(current.seeds, chunks, strict=True):
        start_stream(seed, visit)
        yield chunk
    current.alone = False


def join_rows(rows: Sequence[int]) -> None:
    """Says how many rows of what is joined from all chunks each chunk has, for `rows_apart`.

    Args:
        rows: Number of rows of each chunk.
    """
    current = _CURRENT.get()
    if current is not None:
        current.rows = list(rows)


def rows_apart(values: torch.Tensor) -> list[int] | None:
    """Number of rows of each chunk in what is joined from all of them, ``(1, N, …)``; None: it is not joined."""
    current = _CURRENT.get()
    if current is None or current.rows is None or current.alone or values.ndim < 2:
        return None
    return current.rows if values.shape[:2] == (1, sum(current.rows)) else None
