"""Tables in memory, read from CSV, TSV, JSONL and Parquet files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.data.table_files import Fields, read_delimited, read_json_lines, read_parquet
from sampleformer.errors import InputError, nearest
from sampleformer.unpacking import read_bytes

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True)
class Table:
    """Named columns of equal length.

    Args:
        path: where it was read, as messages name it.
        columns: the values of each column; texts, or what JSON and Parquet hold.
        rows: number of each row in the file, from 1, the header not counted.
        lines: line of the file on which each row begins, from 1; None if the file has no lines.
        unreadable: rows left out because they could not be read.
    """

    path: str
    columns: Mapping[str, Sequence[Any] | np.ndarray]
    rows: Sequence[int]
    lines: Sequence[int] | None = None
    unreadable: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def place(self, index: int) -> str:
        """Words for where a row is in the file."""
        line = "" if self.lines is None else f" (line {self.lines[index]})"
        return f"row {self.rows[index]}{line}"

    def column(self, name: str) -> Sequence[Any] | np.ndarray:
        """The values of a column.

        Raises:
            InputError: if there is no such column; it names the nearest.
        """
        if name not in self.columns:
            raise InputError(f"{self.path}: column {name!r} is missing; {self.nearest_column(name)}")
        return self.columns[name]

    def nearest_column(self, name: str) -> str:
        """Words that help with a misspelt column, on one line whatever the header holds."""
        return nearest(name, [" ".join(column.split()) for column in self.columns])


def read_table(path: str | os.PathLike[str], on_error: str = "stop", *, empty_allowed: bool = False) -> Table:
    """Reads a table; the file's name says how: .csv, .tsv, .jsonl (each also .gz), .parquet.

    Args:
        path: the file.
        on_error: "stop" at the first row that cannot be read, or "skip" and count such rows.
        empty_allowed: there may be nothing but a header.

    Raises:
        InputError: if the file is missing, empty, of an unknown kind, cut short, or a row cannot be read.
    """
    file = Path(path)
    suffixes = [suffix.lower() for suffix in file.suffixes]
    compressed = suffixes[-1:] == [".gz"]
    suffix = "".join(suffixes[-2:-1] if compressed else suffixes[-1:])
    if suffix not in SUFFIXES or (compressed and suffix == ".parquet"):
        if not file.exists():
            raise InputError(f"{path}: no such file")
        ending = "".join(file.suffixes[-2:])
        found = "a folder" if file.is_dir() else f"the ending {ending!r}" if ending else "a name without ending"
        raise InputError(f"{path}: found {found}, expected a file .csv, .tsv or .jsonl (each also .gz), or .parquet")
    if suffix == ".parquet":
        fields = read_parquet(file)
    elif suffix in (".csv", ".tsv"):
        fields = read_delimited(
            file, read_bytes(file, compressed=compressed), "," if suffix == ".csv" else "\t", on_error
        )
    else:
        fields = read_json_lines(file, read_bytes(file, compressed=compressed), on_error)
    return _checked(file, fields, empty_allowed)


def _checked(file: Path, fields: Fields, empty_allowed: bool) -> Table:
    names = list(fields.names)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{file}: column {repeated[0]!r} occurs twice in the header, expected different names")
    if not fields.rows and not empty_allowed:
        skipped = f" ({fields.unreadable} wrong rows were skipped)" if fields.unreadable else ""
        raise InputError(f"{file}: found no rows below the header{skipped}, expected at least one")
    columns = dict(zip(names, fields.values, strict=True))
    return Table(str(file), columns, fields.rows, fields.lines, fields.unreadable)
