"""Tables in memory, read from CSV, TSV, JSONL and Parquet files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.errors import InputError, nearest, shown
from sampleformer.reading import open_file, reading
from sampleformer.tables.delimited import read_delimited
from sampleformer.tables.fields import Fields, UnreadableRows
from sampleformer.tables.format import TableFormat
from sampleformer.tables.json_lines import read_json_lines
from sampleformer.tables.kinds import PARQUET, other_kind
from sampleformer.tables.parquet import read_parquet
from sampleformer.tables.saved_dataset import is_saved_dataset, is_saved_splits, read_saved_dataset
from sampleformer.tables.text import TextFile

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_USUAL = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class Table:
    """Named columns of equal length.

    Args:
        path: where it was read, as messages name it.
        columns: the values of each column; texts, or what JSON and Parquet hold.
        rows: number of each row in the file, from 1, the header not counted.
        lines: line of the file on which each row begins, from 1; None if the file has no lines.
        unreadable: rows left out because they could not be read.
        decimal: decimal mark of numbers in text.
    """

    path: str
    columns: Mapping[str, Sequence[Any] | np.ndarray]
    rows: Sequence[int]
    lines: Sequence[int] | None = None
    unreadable: int = 0
    decimal: str = field(default=".", kw_only=True)

    def __len__(self) -> int:
        return len(self.rows)

    def place(self, index: int) -> str:
        """Words for where a row is in the file."""
        line = "" if self.lines is None else f" (line {self.lines[index]})"
        return f"row {self.rows[index]}{line}"

    def part(self, start: int, stop: int) -> Table:
        """The rows from one place to another."""
        return replace(
            self,
            columns={name: values[start:stop] for name, values in self.columns.items()},
            rows=self.rows[start:stop],
            lines=None if self.lines is None else self.lines[start:stop],
            unreadable=0,
        )

    def column(self, name: str) -> Sequence[Any] | np.ndarray:
        """The values of a column.

        Raises:
            InputError: if there is no such column; it names the nearest.
        """
        if name not in self.columns:
            raise InputError(f"{self.path}: column {shown(name)} is missing; {self.nearest_column(name)}")
        return self.columns[name]

    def nearest_column(self, name: str) -> str:
        """Words that help with a misspelt column."""
        return nearest(name, self.columns)


def read_table(
    path: str | os.PathLike[str],
    on_error: str = "stop",
    format: TableFormat | None = None,
    *,
    empty_allowed: bool = False,
) -> Table:
    """Reads a table; the file's name says how: .csv, .tsv, .jsonl (each also .gz), .parquet.

    A folder that ``save_to_disk`` of Hugging Face's datasets wrote is a table, too. Columns without a name and without
    a value are left out.

    Args:
        path: the file, or folder.
        on_error: "stop" at the first row that cannot be read, or "skip" and count such rows.
        format: how it is written, where the file does not say.
        empty_allowed: there may be nothing but a header.

    Raises:
        InputError: if the file is missing, empty, of an unknown kind, cut short, or a row cannot be read.
    """
    (table,) = table_pieces(path, on_error, format)
    if not empty_allowed:
        check_any_rows(table)
    nameless = [name for name in table.columns if is_nameless(name)]
    unused = {name for name in nameless if not any(value not in (None, "") for value in table.columns[name])}
    if not unused:
        return table
    return replace(table, columns={name: table.columns[name] for name in table.columns if name not in unused})


def is_nameless(name: str) -> bool:
    """Whether a column has no name in its file."""
    return name.startswith("Unnamed: ")


def check_any_rows(table: Table) -> None:
    """Raises InputError if a table has no rows."""
    if not len(table):
        skipped = f" ({table.unreadable} wrong rows were skipped)" if table.unreadable else ""
        raise InputError(f"{table.path}: found no rows below the header{skipped}, expected at least one")


def table_pieces(
    path: str | os.PathLike[str],
    on_error: str = "stop",
    format: TableFormat | None = None,
    rows: int | None = None,
    wrong: UnreadableRows | None = None,
) -> Iterator[Table]:
    """Reads a table in pieces, so that memory does not grow with the file.

    Args:
        path: the file.
        on_error: "stop" at the first row that cannot be read, or "skip" and count such rows.
        format: how it is written, where the file does not say.
        rows: largest number of rows in a piece. None: all.
        wrong: Report of rows that cannot be read, in the place of `on_error`.

    Yields:
        Tables with the columns of the file; one at least, which may have no rows.

    Raises:
        InputError: as `read_table`.
    """
    file, format = Path(path), format or TableFormat()
    wrong = wrong or UnreadableRows(file, on_error)
    counted = 0
    for fields in _fields(file, format, wrong, rows):
        unreadable, counted = wrong.count - counted, wrong.count
        decimal = format.decimal or "."
        yield Table(str(path), fields.columns, fields.rows, fields.lines, unreadable, decimal=decimal)


def _fields(path: Path, format: TableFormat, wrong: UnreadableRows, rows: int | None) -> Iterator[Fields]:
    if path.is_dir() and is_saved_dataset(path):
        return read_saved_dataset(path, wrong, rows)
    if path.is_dir() and is_saved_splits(path):
        raise InputError(f"{path}: found the splits of a saved DatasetDict, expected one of them; give its folder")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    suffix = "".join(suffixes[-2:-1] if packed else suffixes[-1:])
    with open_file(path) as file, reading(path, "a file"):
        head = file.read(1 << 12)
    if (suffix == ".parquet" and not packed) or (head.startswith(PARQUET) and suffix in SUFFIXES):
        return read_parquet(path, wrong, rows)
    if suffix not in SUFFIXES or suffix == ".parquet":
        ending = "".join(path.suffixes[-2:])
        found = f"found the ending {ending!r}" if ending else "found a name without ending"
        found = other_kind(head) or f"{found}, expected a file .csv, .tsv or .jsonl (each also .gz), or .parquet"
        raise InputError(f"{path}: {found}")
    text = TextFile.open(path, packed=packed, encoding=format.encoding)
    if suffix in _USUAL:
        return read_delimited(text, _USUAL[suffix], format.separator, wrong, rows)
    return read_json_lines(text, wrong, rows)
