"""Targets of nodes, of which some may be unknown."""

from __future__ import annotations

import numpy as np

from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table
from sampleformer.tables.values import label_text
from sampleformer.tasks import Task


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


def encode_known(task: Task, table: Table, on_error: str) -> np.ndarray:
    """Targets of all rows of a table as numbers, −1 or NaN where unknown.

    Args:
        task: Task as the training part taught it.
        table: with the target columns.
        on_error: "stop" at the first wrong row, or "skip" and take its target for unknown.
    """
    rows = known_rows(table, task.columns)
    chosen = rows_of(table, rows)
    report = RowReport(table.path, chosen.place, on_error)
    values = task.parse_columns(chosen, task.columns, report, gaps=True)
    return scattered(task, values, rows, len(table), report)


def scattered(task: Task, values: np.ndarray, rows: np.ndarray, total: int, report: RowReport) -> np.ndarray:
    """Encoded values at their rows among all, the others unknown; so are those that the report found wrong."""
    numbers = task.encode(values, report)
    report.log()
    kept = report.kept(len(rows))
    if numbers.ndim == 1:
        result = np.full(total, -1, dtype=np.int64)
    else:
        result = np.full((total, numbers.shape[1]), np.nan, dtype=np.float32)
    result[rows[kept]] = numbers[kept]
    return result
