"""Which task target columns make, and what the training part teaches about them."""

from __future__ import annotations

import math

import numpy as np

from sampleformer.data.column_values import as_float, label_text, parse_flags, parse_labels, parse_numbers
from sampleformer.data.report import RowReport
from sampleformer.data.table import Table
from sampleformer.data.targets import ClassTarget, MultiLabelTarget, NumberTarget, Targets
from sampleformer.errors import InputError, nearest

TASKS = ("classification", "multilabel", "regression")
_MOST_CLASSES = 20


def infer_task(table: Table, columns: list[str]) -> str:
    """The task that target columns make.

    Several columns of 0 and 1: "multilabel". One column of texts, or of at most 20 different integers:
    "classification". Else "regression"; a few values that are no numbers among many that are will be reported.
    """
    if len(columns) > 1:
        values = [value for name in columns for value in table.column(name) if label_text(value) is not None]
        return "multilabel" if all(as_float(value) in (0, 1) for value in values) else "regression"
    present = [value for value in table.column(columns[0]) if label_text(value) is not None]
    numbers = [found for found in map(as_float, present) if found is not None]
    different = {found for found in numbers if math.isfinite(found)}
    integers = all(found.is_integer() for found in different)
    if 2 * len(numbers) <= len(present) or (integers and len(different) <= _MOST_CLASSES):
        return "classification"
    return "regression"


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
        return parse_numbers(table, columns, report)
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
            f"{path}: column {columns[0]!r}: found only the class {', '.join(map(repr, labels))} in the training part, "
            "expected at least two"
        )
    return ClassTarget(columns[0], labels)


def sort_labels(labels: set[str]) -> list[str]:
    """Class names in numeric order if all are numbers, else in alphabetic order."""
    numbers = {label: as_float(label) for label in labels}
    if any(found is None for found in numbers.values()):
        return sorted(labels)
    return sorted(labels, key=lambda label: (numbers[label] or 0.0, label))
