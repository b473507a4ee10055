"""Targets of nodes, of which some may be unknown."""

from __future__ import annotations

import numpy as np

from sampleformer.data.column_values import label_text, parse_labels, parse_numbers
from sampleformer.data.report import RowReport
from sampleformer.data.table import Table
from sampleformer.data.targets import Targets
from sampleformer.data.tasks import parse_targets


def known_rows(table: Table, columns: list[str]) -> np.ndarray:
    """Rows in which at least one of the columns is no empty field."""
    known = np.zeros(len(table), dtype=bool)
    for name in columns:
        known |= [label_text(value) is not None for value in table.column(name)]
    return np.flatnonzero(known)


def rows_of(table: Table, index: np.ndarray) -> Table:
    """Some rows of a table."""
    chosen = index.tolist()
    columns = {name: [values[row] for row in chosen] for name, values in table.columns.items()}
    lines = None if table.lines is None else [table.lines[row] for row in chosen]
    rows = [table.rows[row] for row in chosen]
    return Table(table.path, columns, rows, lines, decimal=table.decimal)


def parse_known(task: str, table: Table, columns: list[str], report: RowReport) -> np.ndarray:
    """Values of the target columns of rows in which something is known; numbers may be missing.

    Returns:
        ``(rows,)`` class names, or ``(rows, columns)`` numbers, NaN where the field is empty.
    """
    if task == "regression":
        return parse_numbers(table, columns, report, missing_allowed=True)
    return parse_targets(task, table, columns, report)


def encode_known(targets: Targets, table: Table, on_error: str) -> np.ndarray:
    """Targets of all rows of a table as numbers, −1 or NaN where unknown.

    Args:
        targets: as the training part taught them.
        table: with the target columns.
        on_error: "stop" at the first wrong row, or "skip" and take its target for unknown.
    """
    rows = known_rows(table, targets.columns)
    chosen = rows_of(table, rows)
    report = RowReport(table.path, chosen.place, on_error)
    if targets.task == "classification":
        values = parse_labels(chosen, targets.columns[0], report)
    else:
        values = parse_known(targets.task, chosen, targets.columns, report)
    return scattered(targets, values, rows, len(table), report)


def scattered(targets: Targets, values: np.ndarray, rows: np.ndarray, total: int, report: RowReport) -> np.ndarray:
    """Encoded values at their rows among all, the others unknown; so are those that the report found wrong."""
    numbers = targets.encode(values, report)
    report.log()
    kept = report.kept(len(rows))
    if numbers.ndim == 1:
        result = np.full(total, -1, dtype=np.int64)
    else:
        result = np.full((total, numbers.shape[1]), np.nan, dtype=np.float32)
    result[rows[kept]] = numbers[kept]
    return result
