"""Columns of the user's table as descriptors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from sampleformer.data.descriptors.base import Descriptor
from sampleformer.errors import InputError, listed
from sampleformer.tables.feature_columns import FeatureColumns
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table

MOST_NUMBERS = 5_000
"""Numbers of a row that describe it; rows of more are signals, which are not described by each of their numbers."""
_MOST_CATEGORIES = 100  # of a column; rarer ones are one


class TableColumns(Descriptor):
    """Columns of the table: numbers, and categories as one number a category. An empty field is a gap.

    Args:
        columns: Names of the columns.
        numbers: Those that hold numbers, once learnt.
        categories: Those that hold categories with the ones that are told apart, once learnt. None: nothing is learnt.

    Raises:
        ValueError: if there are no columns, or one is given twice.
    """

    name = "columns"

    def __init__(
        self,
        columns: list[str],
        numbers: list[str] | None = None,
        categories: dict[str, list[str]] | None = None,
    ) -> None:
        if not columns or len(set(columns)) < len(columns):
            raise ValueError(f"columns is {columns}, expected names of different columns")
        self.columns = columns
        self.numbers = numbers or []
        self.categories = categories or {}
        self._kinds = FeatureColumns(tuple(self.numbers), tuple(self.categories))

    def learn(self, table: Table, inputs: Sequence[str]) -> TableColumns:
        for name in self.columns:
            table.column(name)  # names the nearest one if it is missing
        kinds = FeatureColumns.of(table, set(table.columns) - set(self.columns))
        _, texts = FeatureColumns((), kinds.categories).parse(table, RowReport(table.path, table.place))
        known = {name: _frequent(texts[:, place]) for place, name in enumerate(kinds.categories)}
        return TableColumns(self.columns, list(kinds.numbers), known)

    @property
    def names(self) -> list[str]:
        return [*self.numbers, *(f"{name} = {each}" for name, known in self.categories.items() for each in known)]

    def measure(self, values: Sequence[Any] | np.ndarray, table: Table, report: RowReport) -> np.ndarray:
        numbers, texts = self._kinds.parse(table, report)
        flags = [
            texts[:, place, None] == np.array(known, dtype=object)
            for place, known in enumerate(self.categories.values())
            if known
        ]
        return np.concatenate([numbers, *(each.astype(np.float64) for each in flags)], axis=1)

    def to_json(self) -> dict[str, Any]:
        return {"columns": self.columns, "numbers": self.numbers, "categories": self.categories}


class InputNumbers(Descriptor):
    """The numbers of a row that are its tokens, if they are at most `MOST_NUMBERS`: what a simple model of tables sees.

    Args:
        columns: Names of the columns, once learnt.
    """

    name = "values"
    takes = np.ndarray
    of = "tables of numbers"

    def __init__(self, columns: Sequence[str] = ()) -> None:
        self.columns = list(columns)

    def learn(self, table: Table, inputs: Sequence[str]) -> InputNumbers:
        return InputNumbers(inputs if len(inputs) <= MOST_NUMBERS else ())

    @property
    def names(self) -> list[str]:
        return self.columns

    def measure(self, values: Sequence[Any] | np.ndarray, table: Table, report: RowReport) -> np.ndarray:
        return np.asarray(values, dtype=np.float32)[:, : len(self.columns)]

    def to_json(self) -> dict[str, Any]:
        return {"columns": self.columns}


def check_columns(columns: Sequence[str], inputs: Sequence[str], labels: Sequence[str], path: str) -> None:
    """Raises InputError if a column of features is an input or a label too."""
    for name in columns:
        for words, others in (("an input", inputs), ("the label", labels)):
            if name in others:
                raise InputError(f"{path}: column {name!r} is both a feature and {words}, expected different columns")


def check_undescribed(descriptors: Sequence[Descriptor]) -> None:
    """Raises InputError if the user gives columns that describe samples, but labels are for their tokens or pairs.

    Built-in descriptors, which a recipe lists for whatever it may be given, are left out.
    """
    for each in descriptors:
        if isinstance(each, TableColumns):
            raise InputError(
                f"descriptors: found the columns {listed(each.columns)}, which describe whole samples; expected none, "
                "as the labels are not for whole samples"
            )


def _frequent(texts: np.ndarray) -> list[str]:
    counts = Counter(text for text in texts.tolist() if text)
    return sorted(name for name, _ in counts.most_common(_MOST_CATEGORIES))
