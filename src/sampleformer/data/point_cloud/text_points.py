"""Points from text: a line a point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.columns import POSITIONS, cloud_of_columns
from sampleformer.data.point_cloud.text_rows import TextRow, is_number, table_fields, text_rows, to_numbers
from sampleformer.errors import InputError, one_line, shown
from sampleformer.unpacking import read_bytes

_ROW_NUMBERS = ("", "unnamed: 0", "index", "id", "__index_level_0__")
"""Headers, in small letters, under which pandas and others write the number of the row."""


def read_text_points(path: Path, columns: Sequence[str] | None = None) -> Cloud:
    """The points of an XYZ, TXT or CSV file, numbers between semicolons, commas or blanks.

    Numbers may have decimal commas between semicolons or blanks. A first line without a number is a header; if it names
    x, y and z (in any case), it says what the columns are. A first line with one whole number is the number of points.
    Comments start with ``#`` or ``//``.

    Args:
        path: Path of the file.
        columns: Meaning of each column, see `cloud_of_columns`. None: as the header says, else as they look.

    Raises:
        InputError: if a line has too many or too few columns, or one that is no finite number; if the header names some
            of x, y and z; if there are fewer points than the first line says, or the last number is cut short.
    """
    content = read_bytes(path)
    rows = text_rows(path, content, ("#", "//"), table_fields)
    remarks: tuple[str, ...] = ()
    if rows and not any(is_number(field) for field in rows[0].fields):
        header = rows.pop(0)
        if columns is None:
            columns, remarks = _of_header(path, header)
    rows = _without_count(path, rows)
    if not rows:
        raise InputError(f"{path}: found no points, expected a line for each")
    width = len(rows[0].fields) if columns is None else len(columns)
    if width < 3:
        raise InputError(f"{path}: line {rows[0].line}: found {width} columns, expected 3 (x, y, z) or more")
    for row in rows:
        if len(row.fields) != width:
            expected = (
                f"{width} as in line {rows[0].line}"
                if columns is None
                else f"{width}: {one_line(' '.join(columns), 200)}"
            )
            raise InputError(f"{path}: line {row.line}: found {len(row.fields)} columns, expected {expected}")
    if not content.endswith((b"\n", b"\r")):
        _check_last(path, rows)
    try:
        return cloud_of_columns(to_numbers(path, rows, 0, width), columns, remarks)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _of_header(path: Path, header: TextRow) -> tuple[list[str] | None, tuple[str, ...]]:
    """Meaning of the columns, None if the header has other words, and what is to be said of them."""
    names = [field.strip("\"' ").lower() for field in header.fields]
    held = [name for name in POSITIONS if name in names]
    if not held and not set(names) & set(_ROW_NUMBERS):
        return None, ()
    if len(held) < len(POSITIONS):
        found = f"line {header.line}: found the header {shown(' '.join(header.fields))}"
        raise InputError(f"{path}: {found}, expected x, y and z in it (or give --columns)")
    numbers = [name for name in names if name in _ROW_NUMBERS]
    remarks = tuple(f"the column {name!r} is taken for row numbers and not used" for name in numbers)
    return ["-" if name in _ROW_NUMBERS else name for name in names], remarks


def _without_count(path: Path, rows: list[TextRow]) -> list[TextRow]:
    """Rows of points: without a first one that only says how many they are, as in PTS files."""
    if len(rows) < 2 or len(rows[0].fields) != 1 or len(rows[1].fields) < 3 or not rows[0].fields[0].isdecimal():
        return rows
    count = rows[0].fields[0]
    if count.lstrip("0") != str(len(rows) - 1):
        raise InputError(f"{path}: found {len(rows) - 1} points, expected {shown(count)} as in line {rows[0].line}")
    return rows[1:]


def _check_last(path: Path, rows: list[TextRow]) -> None:
    """Refuses a file that ends inside a number: without a line end, with fewer decimals than all numbers above it."""
    *others, last = (_decimals(row.fields[-1]) for row in rows)
    if len(others) > 1 and len(set(others)) == 1 and last < others[0]:
        found = f"the file ends behind {shown(rows[-1].fields[-1])} without a line end"
        raise InputError(f"{path}: line {rows[-1].line}: cut short: {found}, expected {others[0]} decimals as above")


def _decimals(field: str) -> int:
    return len(field.replace(",", ".").partition(".")[2])
