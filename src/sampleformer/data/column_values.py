"""Values of table columns as class names and numbers."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from sampleformer.data.report import RowReport

if TYPE_CHECKING:
    from sampleformer.data.table import Table


def label_text(value: Any) -> str | None:
    """A class name as text; None if it is missing.

    The number 1.0 is the class "1": other programs write whole numbers so, in columns that have empty fields.
    """
    text = "" if value is None else str(value).strip()
    if text == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    whole = re.fullmatch(r"([+-]?\d+)\.0+", text)
    return whole.group(1) if whole else text


def as_float(value: Any) -> float | None:
    """A number, NaN and infinity among them; None if the value is none."""
    if isinstance(value, str) and "_" in value:  # Python's own grouping of digits; in a file it is a mistake
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def parse_labels(table: Table, column: str, report: RowReport) -> np.ndarray:
    """Class names of a column, ``(rows,)``; a missing one is reported.

    "nan" is a missing label among numbers, and a name among names.
    """
    labels = np.empty(len(table), dtype=object)
    labels[:] = [label_text(value) for value in table.column(column)]
    numbers = [None if label is None else as_float(label) for label in labels]
    numeric = all(found is not None or label is None for found, label in zip(numbers, labels, strict=True))
    for row, found in enumerate(numbers):
        if labels[row] is None:
            report.add(row, f"column {column!r}: the label is missing")
        elif numeric and found is not None and not math.isfinite(found):
            report.add(row, f"column {column!r}: found {labels[row]!r} among numbers, expected a class")
    return labels


def parse_numbers(table: Table, columns: list[str], report: RowReport, missing_allowed: bool = False) -> np.ndarray:
    """Numbers of some columns, ``(rows, columns)`` float64; anything else is reported.

    Args:
        table: the table.
        columns: names of the columns.
        report: is told of wrong rows.
        missing_allowed: an empty field is NaN instead of wrong.
    """
    values = np.empty((len(table), len(columns)), dtype=np.float64)
    for place, name in enumerate(columns):
        column = table.column(name)
        converted = _all_numbers(column)
        if converted is not None:
            values[:, place] = converted
            continue
        for row, value in enumerate(column):
            found = as_float(value)
            if found is None or not math.isfinite(found):
                if not (missing_allowed and label_text(value) is None):
                    shown = "an empty field" if value is None or value == "" else repr(value)
                    report.add(row, f"column {name!r}: found {shown}, expected a finite number")
                found = math.nan
            values[row, place] = found
    return values


def _all_numbers(column: Any) -> np.ndarray | None:
    """A column of nothing but finite numbers, converted at once; None if it holds anything else."""
    try:
        converted = np.array(column, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    grouped = any(isinstance(value, str) and "_" in value for value in column)
    return converted if np.isfinite(converted).all() and not grouped else None


def parse_flags(table: Table, columns: list[str], report: RowReport) -> np.ndarray:
    """Columns of 0 and 1, ``(rows, columns)`` float64, NaN where the field is empty; anything else is reported."""
    values = parse_numbers(table, columns, report, missing_allowed=True)
    for row, place in np.argwhere(~(np.isnan(values) | (values == 0) | (values == 1))):
        report.add(
            int(row),
            f"column {columns[place]!r}: found {values[row, place]:g}, expected 0, 1 or an empty field",
        )
    return values
