"""Rows of numbers in text files, with the place of every wrong one."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sampleformer.errors import InputError, shown
from sampleformer.tables.values import EXACT
from sampleformer.unpacking import read_bytes
from sampleformer.wording import count

_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_LINE_ENDS = re.compile(r"\r\n?|\n")
_OTHER_KINDS = (
    (b"\x1f\x8b", "a gzip file", "unpack it"),
    (b"PK\x03\x04", "a zip archive", "unpack it"),
    (b"\xff\xfe", "text in UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "save it as UTF-8"),
    (b"\x89HDF\r\n", "an HDF5 file", "let its name end in .h5"),
    (b"\x93NUMPY", "a NumPy array", "let its name end in .npy"),
    (b"LASF", "a laser scan", "let its name end in .las or .laz"),
)


class TextRow(NamedTuple):
    """A line's number, counted from 1, and its fields."""

    line: int
    fields: list[str]


def text_rows(
    path: Path,
    content: bytes | None = None,
    comments: tuple[str, ...] = ("#",),
    split: Callable[[str], list[str]] = str.split,
    first: int = 1,
) -> list[TextRow]:
    """Rows of a text file, without empty lines.

    Names and comments need not be UTF-8: a byte that is not is a surrogate in its field, which no number has.

    Args:
        path: Path of the file.
        content: Content of the file. None: it is read.
        comments: Signs that start a comment, which ends with its line.
        split: Function that takes a line apart, such as `table_fields`. Default: at blanks.
        first: Number of the first line.

    Raises:
        InputError: if the file cannot be read, is empty or no text, or `split` raises ValueError at a line.
    """
    content = read_bytes(path) if content is None else content
    _check_text(path, content)
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    rows = []
    for number, line in enumerate(_LINE_ENDS.split(text), start=first):
        for sign in comments:
            line = line.partition(sign)[0]
        line = line.strip()
        if line:
            try:
                rows.append(TextRow(number, split(line)))
            except ValueError as error:
                raise InputError(f"{path}: line {number}: {error}") from error
    return rows


def table_fields(line: str) -> list[str]:
    """Fields of a line of a table: between semicolons, else commas, else blanks.

    Numbers may have decimal commas where semicolons or blanks separate them, or quotes surround them.

    Raises:
        ValueError: if commas seem to be both separators and decimal marks.

    Example:
        >>> table_fields("1,5;2;3"), table_fields("1,5 2 3"), table_fields("1.5, 2, 3")
        (['1,5', '2', '3'], ['1,5', '2', '3'], ['1.5', '2', '3'])
    """
    if '"' in line:
        return _quoted_fields(line)
    if ";" in line:
        return [field.strip() for field in line.split(";")]
    if "," not in line:
        return line.split()
    fields = [field.strip() for field in line.split(",")]
    blanks = line.split()
    if any(len(field.split()) > 1 for field in fields) and any(map(_DECIMAL_COMMA.fullmatch, blanks)):
        return blanks
    if "." not in line and _has_decimal_commas(line, fields):
        raise ValueError(f"found {shown(line)} with commas as separators and as decimal marks, expected decimal points")
    return fields


def _quoted_fields(line: str) -> list[str]:
    outside = re.sub(r'"[^"]*"', "", line)
    separator = next((each for each in ";,\t" if each in outside), " ")
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]
    except csv.Error as error:
        raise ValueError(f"found {shown(line)}, expected fields that can be told apart ({error})") from error


def _has_decimal_commas(line: str, fields: list[str]) -> bool:
    """Whether ``1,5, 2,5`` or ``1,050,2,000`` gives away that some commas do not separate."""
    if not all(map(is_number, fields)):
        return False
    beside_blanks = len(re.findall(r"[ \t],|,(?=[ \t])", line))
    padded = any(len(field) > 1 and field[0] == "0" and field.isdigit() for field in fields[1::2])
    return 0 < beside_blanks < line.count(",") or (padded and len(fields) % 2 == 0)


def to_numbers(path: Path, rows: list[TextRow], first: int, last: int) -> np.ndarray:
    """Fields `first` to `last` (not included) of every row, (rows, last − first) float64.

    Raises:
        InputError: if a row has too few fields, or one that is no finite number.
    """
    fields = [row.fields[first:last] for row in rows]
    try:
        values = np.array(fields, np.float64).reshape(len(rows), last - first)
    except ValueError:
        values = np.array([[np.nan]])
    # float() takes digits of any script, and underscores between them.
    plain = all(field.isascii() and "_" not in field for field in map("".join, fields))
    if not plain or not np.isfinite(values).all():
        values = np.array([_numbers(path, row, first, last) for row in rows]).reshape(len(rows), last - first)
    return values


def to_integers(path: Path, rows: list[TextRow], first: int, last: int) -> np.ndarray:
    """As `to_numbers`, of whole numbers: int64.

    Raises:
        InputError: if a row has too few fields, or one that is no whole number.
    """
    values = to_numbers(path, rows, first, last)
    wrong = (values != np.round(values)) | (np.abs(values) > EXACT)
    if wrong.any():
        row, column = (int(index[0]) for index in wrong.nonzero())
        found = f"found {shown(rows[row].fields[first + column])} in column {first + column + 1}"
        raise InputError(f"{path}: line {rows[row].line}: {found}, expected a whole number")
    return values.astype(np.int64)


def is_number(field: str) -> bool:
    """Whether a field can be read as a number, finite or not, perhaps with a decimal comma.

    Example:
        >>> is_number("1e-3"), is_number("1,5"), is_number("nan"), is_number("x")
        (True, True, True, False)
    """
    return _NUMBER.fullmatch(field) is not None or field.strip("+-").lower() in ("nan", "inf", "infinity")


def _numbers(path: Path, row: TextRow, first: int, last: int) -> list[float]:
    if len(row.fields) < last:
        raise InputError(f"{path}: line {row.line}: found {count(len(row.fields), 'column')}, expected at least {last}")
    numbers = []
    for column in range(first, last):
        field = row.fields[column]
        number = float(field.replace(",", ".")) if _NUMBER.fullmatch(field) else np.nan
        if not np.isfinite(number):
            found = f"found {shown(field)} in column {column + 1}"
            raise InputError(f"{path}: line {row.line}: {found}, expected a finite number")
        numbers.append(number)
    return numbers


def _check_text(path: Path, content: bytes) -> None:
    for magic, found, remedy in _OTHER_KINDS:
        if content.startswith(magic):
            raise InputError(f"{path}: found {found}, expected text; {remedy}")
    place = content.find(b"\0")
    if place >= 0:
        wide = content[:200].count(b"\0") * 3 > len(content[:200])
        found = "text in UTF-16" if wide else f"a byte 0 (byte {place} of the file)"
        raise InputError(f"{path}: found {found}, expected text in UTF-8")
