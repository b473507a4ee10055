"""Rows of numbers in text files, with the place of every wrong one."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sampleformer.errors import InputError
from sampleformer.unpacking import read_bytes

_SEPARATORS = re.compile(r"\s*[,;]\s*")


class TextRow(NamedTuple):
    """A line's number, counted from 1, and its fields."""

    line: int
    fields: list[str]


def text_rows(path: Path, content: bytes | None = None, comments: tuple[str, ...] = ("#",)) -> list[TextRow]:
    """The rows of a text file: fields between commas or semicolons, else between blanks; no empty lines.

    Args:
        path: the file.
        content: what it holds; None: it is read.
        comments: what starts a comment, which ends with its line.

    Raises:
        InputError: if the file cannot be read, is empty or is no UTF-8 text.
    """
    content = read_bytes(path) if content is None else content
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte {error.start} of the file (0x{content[error.start]:02x}) is not UTF-8"
        raise InputError(f"{path}: {found}, expected a text file") from error
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        for sign in comments:
            line = line.partition(sign)[0]
        line = line.strip()
        if line:
            separated = "," in line or ";" in line
            rows.append(TextRow(number, _SEPARATORS.split(line) if separated else line.split()))
    return rows


def to_numbers(path: Path, rows: list[TextRow], first: int, last: int) -> np.ndarray:
    """Fields `first` to `last` (not included) of every row, (rows, last − first) float64.

    Raises:
        InputError: if a row has too few fields, or one that is no finite number.
    """
    try:
        values = np.array([row.fields[first:last] for row in rows], np.float64).reshape(len(rows), last - first)
    except ValueError:
        values = np.array([[np.nan]])
    if not np.isfinite(values).all():
        values = np.array([_numbers(path, row, first, last) for row in rows])
    return values


def to_integers(path: Path, rows: list[TextRow], first: int, last: int) -> np.ndarray:
    """As `to_numbers`, of whole numbers: int64.

    Raises:
        InputError: if a row has too few fields, or one that is no whole number.
    """
    values = to_numbers(path, rows, first, last)
    wrong = (values != np.round(values)) | (np.abs(values) > 2**53)
    if wrong.any():
        row, column = (int(index[0]) for index in wrong.nonzero())
        found = f"found {rows[row].fields[first + column]!r} in column {first + column + 1}, expected a whole number"
        raise InputError(f"{path}: line {rows[row].line}: {found}")
    return values.astype(np.int64)


def is_number(field: str) -> bool:
    """Whether a field can be read as a number, finite or not.

    Example:
        >>> is_number("1e-3"), is_number("x")
        (True, False)
    """
    try:
        float(field)
    except ValueError:
        return False
    return True


def _numbers(path: Path, row: TextRow, first: int, last: int) -> list[float]:
    if len(row.fields) < last:
        raise InputError(f"{path}: line {row.line}: found {len(row.fields)} columns, expected at least {last}")
    for column in range(first, last):
        field = row.fields[column]
        if not is_number(field) or not np.isfinite(float(field)):
            found = f"found {field!r} in column {column + 1}"
            raise InputError(f"{path}: line {row.line}: {found}, expected a finite number")
    return [float(field) for field in row.fields[first:last]]
