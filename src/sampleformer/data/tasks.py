"""Which task target columns make, and what the training part teaches about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sampleformer.data.column_values import (
    as_flag,
    as_float,
    has_decimal_comma,
    is_date,
    label_text,
    parse_flags,
    parse_labels,
    parse_number_targets,
)
from sampleformer.data.report import RowReport
from sampleformer.data.standardisation import check_scales
from sampleformer.data.table import Table
from sampleformer.data.targets import ClassTarget, MultiLabelTarget, NumberTarget, Targets
from sampleformer.errors import InputError, nearest, shown

TASKS = ("classification", "multilabel", "regression")
_MOST_CLASSES = 20


class InferredTask(NamedTuple):
    """A task, and words for what it was inferred from."""

    name: str
    reason: str


def infer_task(table: Table, columns: list[str]) -> InferredTask:
    """The task that target columns make.

    Several columns of yes and no: "multilabel". One column of texts, or of at most 20 different integers:
    "classification". Else "regression"; a few values that are no numbers among many that are will be reported.

    Raises:
        InputError: if most values look like numbers with a decimal comma.
    """
    if len(columns) > 1:
        values = [value for name in columns for value in table.column(name) if label_text(value) is not None]
        if all(as_flag(value) is not None for value in values):
            return InferredTask("multilabel", "columns of yes and no")
        return InferredTask("regression", "columns of numbers")
    present = [value for value in table.column(columns[0]) if label_text(value) is not None]
    parsed = [None if isinstance(value, bool) else as_float(value, table.decimal) for value in present]
    numbers = [found for found in parsed if found is not None]
    if 2 * len(numbers) <= len(present):
        _check_decimal(table, columns[0], len(present), len(numbers))
        return InferredTask("classification", _words_of_texts(present))
    finite = [found for found in numbers if math.isfinite(found)]
    if not all(found.is_integer() for found in finite):
        return InferredTask("regression", "numbers")
    if len(set(finite)) > _MOST_CLASSES:
        reason = f"{len(set(finite))} different whole numbers; --task classification makes classes of them"
        return InferredTask("regression", reason)
    overrule = "; --task regression predicts them as numbers" if len(set(finite)) > 2 else ""
    return InferredTask("classification", f"{len(set(finite))} different whole numbers{overrule}")


def _words_of_texts(values: Sequence[Any]) -> str:
    names = {str(value).strip().lower() for value in values}
    if names <= {"true", "false"}:
        return "True and False"
    example = next((value for value in values if is_date(value)), None)
    if example is not None and all(map(is_date, values)):
        return f"dates such as {shown(example)}, taken as names of classes"
    return f"{len({label_text(value) for value in values})} different texts"


def _check_decimal(table: Table, column: str, present: int, numbers: int) -> None:
    """Refuses prices and measurements of which every value would be a class."""
    rows = [row for row, value in enumerate(table.column(column)) if has_decimal_comma(value)]
    if table.decimal == "." and rows and 2 * (len(rows) + numbers) > present:
        raise InputError(
            f"{table.path}: {table.place(rows[0])}: column {column!r}: found {shown(table.column(column)[rows[0]])}; "
            "give --decimal , if its comma is the decimal mark, or --task classification if it names a class"
        )


def parse_targets(task: str, table: Table, columns: list[str], report: RowReport) -> np.ndarray:
    """The target columns' values: ``(rows,)`` class names, or ``(rows, columns)`` numbers; wrong rows are reported.

    Raises:
        InputError: if the task is unknown or does not fit the number of columns.
    """
    if task not in TASKS:
        raise InputError(f"task: found {task!r}; {nearest(task, TASKS)}")
    if task == "multilabel":
        return parse_flags(table, columns, report)
    if task == "regression":
        values = parse_number_targets(table, columns, report)
        check_scales(values, columns, report)
        return values
    if len(columns) > 1:
        raise InputError(f"label: found {len(columns)} columns, expected one for the task 'classification'")
    return parse_labels(table, columns[0], report)


def learn_targets(task: str, columns: list[str], values: np.ndarray, path: str) -> Targets:
    """Class names, or mean and deviation, of the training part.

    Args:
        task: the task.
        columns: names of the target columns.
        values: what `parse_targets` gave.
        path: the file, for the message.

    Raises:
        InputError: if there is only one class.
    """
    if task == "multilabel":
        return MultiLabelTarget(columns)
    if task == "regression":
        return NumberTarget.learn(columns, values)
    labels = sort_labels(set(values))
    if len(labels) < 2:
        raise InputError(
            f"{path}: column {columns[0]!r}: found only the class {', '.join(map(shown, labels))} in the training "
            "part, expected at least two"
        )
    return ClassTarget(columns[0], labels)


def sort_labels(labels: set[str]) -> list[str]:
    """Class names in numeric order if all are numbers, else in alphabetic order."""
    numbers = {label: as_float(label) for label in labels}
    if any(found is None for found in numbers.values()):
        return sorted(labels)
    return sorted(labels, key=lambda label: (numbers[label] or 0.0, label))
