"""The task that target columns make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from sampleformer.errors import InputError, shown
from sampleformer.tables.table import Table
from sampleformer.tables.values import as_flag, as_float, has_decimal_comma, is_date, label_text
from sampleformer.tasks.classification import Classification
from sampleformer.tasks.multilabel import MultiLabel
from sampleformer.tasks.regression import Regression
from sampleformer.tasks.task import Task

_MOST_CLASSES = 20


class InferredTask(NamedTuple):
    """A task, and words for what it was inferred from."""

    task: type[Task]
    reason: str


def infer_task(table: Table, columns: list[str]) -> InferredTask:
    """The task that target columns make.

    Several columns of yes and no: several labels. One column of texts, or of at most 20 different integers:
    classification. Else regression; a few values that are no numbers among many that are will be reported.

    Raises:
        InputError: if most values look like numbers with a decimal comma.
    """
    if len(columns) > 1:
        values = [value for name in columns for value in table.column(name) if label_text(value) is not None]
        if all(as_flag(value) is not None for value in values):
            return InferredTask(MultiLabel, "columns of yes and no")
        return InferredTask(Regression, "columns of numbers")
    present = [value for value in table.column(columns[0]) if label_text(value) is not None]
    parsed = [None if isinstance(value, bool) else as_float(value, table.decimal) for value in present]
    numbers = [found for found in parsed if found is not None]
    if 2 * len(numbers) <= len(present):
        _check_decimal(table, columns[0], len(present), len(numbers))
        return InferredTask(Classification, _words_of_texts(present))
    finite = [found for found in numbers if math.isfinite(found)]
    if not all(found.is_integer() for found in finite):
        return InferredTask(Regression, "numbers")
    if len(set(finite)) > _MOST_CLASSES:
        reason = f"{len(set(finite))} different whole numbers; --task classification makes classes of them"
        return InferredTask(Regression, reason)
    overrule = "; --task regression predicts them as numbers" if len(set(finite)) > 2 else ""
    return InferredTask(Classification, f"{len(set(finite))} different whole numbers{overrule}")


def _words_of_texts(values: Sequence[Any]) -> str:
    names = {str(value).strip().lower() for value in values}
    if names <= {"true", "false"} and len({label_text(value) for value in values}) <= 2:
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
