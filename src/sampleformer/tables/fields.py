"""Rows of a table file, as every reader gives them."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload

from sampleformer.errors import InputError, shown
from sampleformer.wording import count

PIECE_CHARACTERS = 1 << 23
"""Characters after which a piece of a file ends, however few its rows are."""
T = TypeVar("T")
logger = logging.getLogger("sampleformer")


class Fields(NamedTuple):
    """Some rows of a file: the values of each column, number and line of each row."""

    columns: Mapping[str, Sequence[Any]]
    rows: Sequence[int]
    lines: Sequence[int] | None


class RecordColumn(Sequence[str]):
    """One column of records, which stay as they are.

    Args:
        records: Fields of each row.
        place: Place of the column.
    """

    __slots__ = ("place", "records")

    def __init__(self, records: list[list[str]], place: int) -> None:
        self.records = records
        self.place = place

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        found = self.records[index]
        return [each[self.place] for each in found] if isinstance(index, slice) else found[self.place]

    def __iter__(self) -> Iterator[str]:
        return map(itemgetter(self.place), self.records)

    def __len__(self) -> int:
        return len(self.records)


def up_to(rows: Iterator[T], most: int | None, size: Callable[[T], int]) -> list[T]:
    """The next rows: at most so many, fewer if they are long, all of them if there is no limit.

    Args:
        rows: Rows of a file.
        most: Largest number of rows. None: all.
        size: Characters of a row.
    """
    if most is None:
        return list(rows)
    found, characters = [], 0
    for row in rows:
        found.append(row)
        characters += size(row)
        if len(found) == most or characters >= PIECE_CHARACTERS:
            break
    return found


class UnreadableRows:
    """Stops at the first row that cannot be read, or leaves such rows out and counts them.

    Args:
        path: File, for messages.
        on_error: "stop" or "skip".
        kept: Rows left out of which place and fault are kept.
    """

    def __init__(self, path: Path, on_error: str, kept: int = 1) -> None:
        self.path = path
        self.on_error = on_error
        self.count = 0
        self.first: list[tuple[str, str]] = []
        self._kept = kept

    def add(self, place: str, message: str) -> None:
        """Reports a row.

        Raises:
            InputError: if the first such row is to stop the reading.
        """
        if self.on_error == "stop":
            raise InputError(f"{self.path}: {place}: {message}")
        if len(self.first) < self._kept:
            self.first.append((place, message))
        self.count += 1

    def log(self) -> None:
        """Logs one line that counts the rows left out."""
        if self.count:
            skipped, first = count(self.count, "row"), ": ".join(self.first[0])
            logger.warning("%s: skipped %s that cannot be read, the first: %s", self.path, skipped, first)


def column_names(path: Path, header: Sequence[str]) -> list[str]:
    """Names of columns without blanks around them; a column without a name is called as pandas calls it.

    Raises:
        InputError: if two columns have one name.

    Example:
        >>> column_names(Path("a.csv"), ["", " review", "label of\\nthe review "])
        ['Unnamed: 0', 'review', 'label of the review']
    """
    names = [clean_name(name) or f"Unnamed: {place}" for place, name in enumerate(header)]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        found = f"column {shown(repeated[0])} occurs twice in the header"
        raise InputError(f"{path}: {found}, expected different names")
    return names


def clean_name(name: str) -> str:
    """A name in one line, without a byte order mark and blanks around it, its accents as they are typed (NFC)."""
    return " ".join(unicodedata.normalize("NFC", name).replace("\ufeff", "").split())
