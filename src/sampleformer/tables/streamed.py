"""Tables larger than memory: a few columns are held, the others are read again when they are asked for."""

from __future__ import annotations

import os
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, overload

from sampleformer.tables.format import TableFormat
from sampleformer.tables.table import Table, check_any_rows, is_nameless, table_pieces

ROWS = 8192
"""Largest number of rows of a piece; a piece of long rows ends sooner."""
_MOST_SHARED = 10_000


class FilePieces:
    """A table file in pieces, the same ones each time.

    Args:
        path: Path of the file.
        on_error: "stop" at the first row that cannot be read, or "skip" and count such rows.
        format: How it is written, where the file does not say.
        rows: Largest number of rows of a piece. At least 1.
    """

    def __init__(
        self, path: str | os.PathLike[str], on_error: str = "stop", format: TableFormat | None = None, rows: int = ROWS
    ) -> None:
        self._arguments = (path, on_error, format, rows)

    def __iter__(self) -> Iterator[tuple[int, Table]]:
        """Place of the first row of each piece among those of the table, and the piece."""
        start = 0
        for piece in table_pieces(*self._arguments):
            yield start, piece
            start += len(piece)


class TablePieces:
    """A table in memory in pieces.

    Args:
        table: Table.
        rows: Largest number of rows of a piece. At least 1.
    """

    def __init__(self, table: Table, rows: int = ROWS) -> None:
        self._table = table
        self._rows = rows

    def __iter__(self) -> Iterator[tuple[int, Table]]:
        """Place of the first row of each piece among those of the table, and the piece."""
        for start in range(0, len(self._table), self._rows):
            yield start, self._table.part(start, start + self._rows)


def streamed_table(pieces: FilePieces, held: Collection[str]) -> Table:
    """A table with some of its columns in memory, as `read_table` gives it; the others are read when they are used.

    Args:
        pieces: Pieces of its file.
        held: Names of the columns that are held; those that are missing do not matter.

    Raises:
        InputError: if the file has no rows, or one cannot be read.
    """
    columns: dict[str, list[Any]] = {}
    unused: set[str] = set()
    rows, lines = array("q"), array("q")
    shared: dict[Any, Any] = {}
    unreadable = 0
    first: Table | None = None
    for _, piece in pieces:
        if first is None:
            first, columns = piece, {name: [] for name in piece.columns if name in held}
            unused = {name for name in piece.columns if is_nameless(name)}
        for name, values in columns.items():
            values.extend(_shared(piece.columns[name], shared))
        unused = {name for name in unused if not any(value not in (None, "") for value in piece.columns[name])}
        rows.extend(piece.rows)
        lines.extend(piece.lines or ())
        unreadable += piece.unreadable
    assert first is not None
    names = [name for name in first.columns if name not in unused]
    whole = {name: columns[name] if name in columns else _StreamedColumn(pieces, name, len(rows)) for name in names}
    table = replace(first, columns=whole, rows=rows, lines=None if first.lines is None else lines)
    table = replace(table, unreadable=unreadable)
    check_any_rows(table)
    return table


def _shared(values: Iterable[Any], shared: dict[Any, Any]) -> Iterator[Any]:
    """Values of which equal texts are one object: labels are few and rows are many."""
    for value in values:
        if isinstance(value, str):
            known = shared.get(value)
            if known is None and len(shared) < _MOST_SHARED:
                shared[value] = known = value
            yield value if known is None else known
        else:
            yield value


class _StreamedColumn(Sequence[Any]):
    """A column of a file, which is read from its beginning each time.

    Args:
        pieces: Pieces of the file.
        name: Name of the column.
        rows: Number of rows.
    """

    def __init__(self, pieces: FilePieces, name: str, rows: int) -> None:
        self._pieces = pieces
        self._name = name
        self._rows = rows

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return list(self)[index]
        for start, piece in self._pieces:
            if start <= index < start + len(piece):
                return piece.columns[self._name][index - start]
        raise IndexError(f"{index} is no row of {self._rows}")

    def __iter__(self) -> Iterator[Any]:
        for _, piece in self._pieces:
            yield from piece.columns[self._name]

    def __len__(self) -> int:
        return self._rows
