"""Values of table columns as class names and numbers."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Hashable, Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from sampleformer.errors import shown
from sampleformer.tables.fields import RecordColumn
from sampleformer.tables.report import RowReport
from sampleformer.wording import count

if TYPE_CHECKING:
    from sampleformer.tables.table import Table

logger = logging.getLogger("sampleformer")

LARGEST = float(np.finfo(np.float32).max)
"""Largest number of a model, which computes in 32 bits."""
EXACT = 2**53
"""Whole numbers up to here are exact in 64 bits."""
_FLAGS = {"1": True, "true": True, "yes": True, "t": True, "y": True} | {
    "0": False,
    "false": False,
    "no": False,
    "f": False,
    "n": False,
}
_WORDS = {"true": 1.0, "false": 0.0}
_GAPS = frozenset({"nan", "na", "n/a", "#n/a", "<na>", "null", "none"})
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?|[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?|\d{1,2}[./]\d{1,2}[./]\d{4}")
LEAVE_OUT = "--on-error skip leaves such rows out"
_NESTED = (list, tuple, dict, np.ndarray)


def label_text(value: Any) -> str | None:
    """A class name as text; None if it is missing.

    The number 1.0 is the class "1": other programs write whole numbers so, in columns that have empty fields.
    """
    text = "" if value is None else str(value).strip()
    if text == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    whole = re.fullmatch(r"([+-]?\d+)\.0+", text)
    return whole.group(1) if whole else text


def is_gap(value: Any) -> bool:
    """Whether a field of a column of numbers holds none: empty, NaN, or what other programs write for that.

    Example:
        >>> [is_gap(value) for value in (None, " ", float("nan"), "NA", "null", 0, "0")]
        [True, True, True, True, True, False, False]
    """
    text = None if isinstance(value, _NESTED) else label_text(value)
    return not isinstance(value, _NESTED) and (text is None or text.lower() in _GAPS)


def as_float(value: Any, decimal: str = ".") -> float | None:
    """A number, NaN and infinity among them; None if the value is none.

    Args:
        value: what a table holds.
        decimal: decimal mark of numbers in text, "." or ",". The other one is in no number.
    """
    if isinstance(value, str):
        if "_" in value or (decimal == "," and "." in value):  # Python's own grouping of digits is a mistake in a file
            return None
        value = value.replace(decimal, ".")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def as_flag(value: Any) -> bool | None:
    """Yes or no, as 0 and 1, or in the words of pandas, Excel and forms; None if the value is none."""
    return _FLAGS.get((label_text(value) or "").lower()) if not isinstance(value, _NESTED) else None


def has_decimal_comma(value: Any) -> bool:
    """Whether a text looks like a number with a decimal comma."""
    return isinstance(value, str) and "," in value and _DECIMAL_COMMA.fullmatch(value.strip()) is not None


def is_date(value: Any) -> bool:
    """Whether a text looks like a date."""
    return isinstance(value, str) and _DATE.fullmatch(value.strip()) is not None


def holds_words(column: Iterable[Any]) -> bool:
    """Whether a column holds texts, none of which is a number, True or False, or meant as one.

    Example:
        >>> [holds_words(column) for column in (["S1", "", "S2"], ["low", "0.5"], ["True", "False"], ["1,5"], ["", ""])]
        [True, False, False, False, False]
    """
    known = [value for value in column if not is_gap(value)]
    return bool(known) and all(isinstance(value, str) and not _like_number(value) for value in known)


def _like_number(text: str) -> bool:
    return as_float(text) is not None or has_decimal_comma(text) or text.strip().lower() in _WORDS


def value_words(value: Any) -> str:
    """A value in a message, by its kind if it is none that a table of texts and numbers holds."""
    if value is None or (isinstance(value, str) and not value):
        return "an empty field"
    if isinstance(value, dict):
        return f"an object of {count(len(value), 'name')}"
    if isinstance(value, _NESTED):
        return f"a list of {count(len(value), 'value')}"
    if isinstance(value, bytes):
        return f"bytes that are no text, {len(value):,} of them"
    return f"the date {shown(value)}" if is_date(value) else shown(value)


def parse_labels(table: Table, column: str, report: RowReport) -> np.ndarray:
    """Class names of a column, ``(rows,)``; a missing one is reported, and so are lists and objects.

    "nan" is a missing label among numbers, and a name among names.
    """
    values = table.column(column)
    labels = np.empty(len(table), dtype=object)
    labels[:] = [None if isinstance(value, _NESTED) else label_text(value) for value in values]
    numbers = [None if label is None else as_float(label) for label in labels]
    numeric = all(found is not None or label is None for found, label in zip(numbers, labels, strict=True))
    for row, found in enumerate(numbers):
        if isinstance(values[row], (*_NESTED, bytes)):
            report.add(
                row,
                f"column {column!r}: found {value_words(values[row])}, expected a class; several labels of one row "
                "are columns of 0 and 1",
            )
        elif labels[row] is None:
            report.add(row, f"column {column!r}: the label is missing", LEAVE_OUT)
        elif numeric and found is not None and not math.isfinite(found):
            report.add(row, f"column {column!r}: found {labels[row]!r} among numbers, expected a class")
    return labels


def parse_numbers(
    table: Table, columns: list[str], report: RowReport, missing_allowed: bool = False, remedy: str = ""
) -> np.ndarray:
    """Numbers of some columns, ``(rows, columns)`` float64; anything else is reported.

    A column of nothing but True and False is one of 1 and 0.

    Args:
        table: the table.
        columns: names of the columns.
        report: is told of wrong rows.
        missing_allowed: a gap is NaN instead of wrong, see `is_gap`.
        remedy: what the user can do about an empty field, for messages.
    """
    values = _numbers_of_records(table, columns, missing_allowed)
    if values is None:
        values = np.empty((len(table), len(columns)), dtype=np.float64)
        for place, name in enumerate(columns):
            converted = _all_numbers(table.column(name), table.decimal, missing_allowed)
            values[:, place] = (
                _each_number(table, name, report, missing_allowed, remedy) if converted is None else converted
            )
    _log_rounded(table, columns, values)
    return values


def _numbers_of_records(table: Table, columns: list[str], missing_allowed: bool) -> np.ndarray | None:
    """Numbers of columns of records, a row after the other, as they lie in memory; None if they are anything else."""
    found = [each for each in map(table.column, columns) if isinstance(each, RecordColumn)]
    if len(found) < max(2, len(columns)):
        return None
    fields = itemgetter(*(each.place for each in found))
    values = np.empty((len(table), len(columns)), dtype=np.float64)
    for row, record in enumerate(found[0].records):
        converted = _all_numbers(fields(record), table.decimal, missing_allowed)
        if converted is None:
            return None
        values[row] = converted
    return values


def _each_number(table: Table, name: str, report: RowReport, missing_allowed: bool, remedy: str) -> list[float]:
    column = table.column(name)
    is_none = is_gap if missing_allowed else _is_empty
    known = [str(value).strip().lower() for value in column if not is_none(value)]
    words = _WORDS if known and all(each in _WORDS for each in known) else {}
    values = []
    for row, value in enumerate(column):
        found = words.get(str(value).strip().lower()) if words else as_float(value, table.decimal)
        if found is None or not abs(found) <= LARGEST:
            if not (missing_allowed and is_gap(value)):
                report.add(
                    row,
                    f"column {name!r}: found {value_words(value)}, expected {_expected(value, found, table)}",
                    remedy if _is_empty(value) else "",
                )
            found = math.nan
        values.append(found)
    return values


def _expected(value: Any, found: float | None, table: Table) -> str:
    if found is not None and math.isfinite(found):
        return f"a number of at most {LARGEST:.2g} in size, as 32 bits hold it"
    if has_decimal_comma(value) and table.decimal == ".":
        return "a finite number; give --decimal , if its comma is the decimal mark"
    return "a finite number" + (" with a decimal comma" if table.decimal == "," and isinstance(value, str) else "")


def _is_empty(value: Any) -> bool:
    return label_text(value) is None


def _all_numbers(column: Any, decimal: str, missing_allowed: bool) -> np.ndarray | None:
    """A column of nothing but numbers that a model can hold, converted at once; None if it holds anything else.

    Where gaps are allowed, empty fields and NaN become NaN.
    """
    try:
        if missing_allowed:
            column = [
                math.nan if value is None or (isinstance(value, str) and not value) else value for value in column
            ]
        text = "\n".join(value for value in column if isinstance(value, str))
        if "_" in text or (decimal == "," and text):
            return None
        converted = np.fromiter(map(float, column), np.float64, len(column))
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    fits = np.abs(converted) <= LARGEST
    return converted if (fits | np.isnan(converted) if missing_allowed else fits).all() else None


def _log_rounded(table: Table, columns: Sequence[str], values: np.ndarray) -> None:
    """Logs one line if whole numbers of a column lose their last digits."""
    for place in np.flatnonzero((np.abs(values) >= EXACT).any(axis=0)).tolist():
        for row in np.flatnonzero(np.abs(values[:, place]) >= EXACT).tolist():
            text = str(table.column(columns[place])[row]).strip()
            if re.fullmatch(r"[+-]?\d{1,400}", text) and int(text) != int(values[row, place]):
                logger.warning(
                    "%s: %s: column %r: found %s, of which the last digits are lost: numbers have 53 bits; names and "
                    "codes of so many digits are no numbers",
                    table.path,
                    table.place(row),
                    columns[place],
                    shown(text),
                )
                return


def parse_flags(table: Table, columns: list[str], report: RowReport) -> np.ndarray:
    """Columns of yes and no, ``(rows, columns)`` float64 of 1 and 0, NaN where the field is empty; see `as_flag`."""
    values = np.full((len(table), len(columns)), math.nan, dtype=np.float64)
    for place, name in enumerate(columns):
        column = table.column(name)
        flags = {value: as_flag(value) for value in {each for each in column if isinstance(each, Hashable)}}
        for row, value in enumerate(column):
            found = flags[value] if isinstance(value, Hashable) else None
            if found is not None:
                values[row, place] = found
            elif isinstance(value, _NESTED) or label_text(value) is not None:
                report.add(
                    row,
                    f"column {name!r}: found {value_words(value)}, expected 0 or 1, true or false, yes or no, or an "
                    "empty field",
                )
    return values


def parse_number_targets(table: Table, columns: list[str], report: RowReport) -> np.ndarray:
    """Targets of a regression, ``(rows, columns)`` float64; of several, some of a row may be missing and are NaN."""
    values = parse_numbers(table, columns, report, missing_allowed=len(columns) > 1, remedy=LEAVE_OUT)
    if len(columns) > 1:
        for row in np.flatnonzero(np.isnan(values).all(axis=1)):
            report.add(int(row), f"columns {', '.join(map(repr, columns[:5]))}: all targets are missing")
    return values
