"""How often words occur, counted exactly in bounded memory."""

from __future__ import annotations

import heapq
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from types import TracebackType
from typing import IO

MOST = 1 << 20
"""Different words that are held at a time, some 150 MB."""


class WordCounts:
    """Counts of words. More than fit into memory are sorted and written to files, which are merged at the end.

    Args:
        most: Different words that are held at a time. At least 1. None: about a million.

    Example:
        >>> with WordCounts(most=2) as counts:
        ...     for words in (["b", "a"], ["c", "b"], ["a", "a"]):
        ...         counts.add(words)
        ...     list(counts)
        [('a', 3), ('b', 2), ('c', 1)]
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = MOST if most is None else most
        self._counts: Counter[str] = Counter()
        self._files: list[IO[str]] = []

    def add(self, words: Iterable[str]) -> None:
        """Counts some words."""
        self._counts.update(words)
        if len(self._counts) > self._most:
            file = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115 (closed by __exit__)
            self._files.append(file)
            file.writelines(json.dumps(pair) + "\n" for pair in sorted(self._counts.items()))
            self._counts = Counter()

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Each word and how often it was counted, in the order of the words."""
        if not self._files:
            yield from sorted(self._counts.items())
            return
        runs = [*map(_pairs, self._files), iter(sorted(self._counts.items()))]
        for word, pairs in groupby(heapq.merge(*runs), key=itemgetter(0)):
            yield word, sum(count for _, count in pairs)

    def frequent(self, least: int = 1, most: int | None = None) -> list[str]:
        """Words by how often they occur, then in alphabetic order.

        Args:
            least: Words that occur less often are left out.
            most: Largest number of words. None: all.
        """
        kept = ((-count, word) for word, count in self if count >= least)
        return [word for _, word in (sorted(kept) if most is None else heapq.nsmallest(most, kept))]

    def __enter__(self) -> WordCounts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            file.close()


def _pairs(file: IO[str]) -> Iterator[tuple[str, int]]:
    file.seek(0)
    for line in file:
        word, count = json.loads(line)
        yield word, count
