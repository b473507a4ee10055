"""Columns of a table that hold features: numbers and categories."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from sampleformer.errors import listed
from sampleformer.tables.report import RowReport
from sampleformer.tables.standardisation import check_scales
from sampleformer.tables.table import Table
from sampleformer.tables.values import as_float, has_decimal_comma, is_gap, label_text, parse_numbers, value_words

_MOST = 0.9  # of the fields of a column of numbers


@dataclass(frozen=True)
class FeatureColumns:
    """Names of the columns that hold numbers, and of those that hold categories.

    Args:
        numbers: columns of finite numbers.
        categories: columns of texts, each different text a category; an empty field is one too.

    Example:
        >>> table = Table("nodes.csv", {"node": ["a", "b"], "mass": ["1", "2.5"], "kind": ["x", ""]}, [1, 2])
        >>> FeatureColumns.of(table, ["node"])
        FeatureColumns(numbers=('mass',), categories=('kind',))
    """

    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: Table, left_out: Collection[str]) -> FeatureColumns:
        """All columns but some: one is of numbers if nine in ten of its fields hold one, gaps aside.

        What is none among so many numbers is a mistake, and found when the column is parsed.
        """
        names = [name for name in table.columns if name not in left_out]
        numbers = {name for name in names if _holds_numbers(table, name)}
        return cls(
            tuple(name for name in names if name in numbers), tuple(name for name in names if name not in numbers)
        )

    def parse(self, table: Table, report: RowReport, *, learning: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The values of the columns.

        Args:
            table: the table.
            report: is told of gaps, and of rows with what is neither a gap nor a finite number.
            learning: whether the columns are standardised by what these rows hold, so that a number beside which all
                others vanish is reported too.

        Returns:
            ``(rows, numbers)`` float64, NaN for a gap, and ``(rows, categories)`` texts as objects.

        Raises:
            InputError: if a column is missing, or a row is wrong and the report stops at the first.
        """
        categories = np.empty((len(table), len(self.categories)), dtype=object)
        for place, name in enumerate(self.categories):
            values = table.column(name)
            for row, value in enumerate(values):
                if isinstance(value, dict | list | bytes):
                    report.add(row, f"column {name!r}: found {value_words(value)}, expected a text or a number")
            categories[:, place] = [label_text(value) or "" for value in values]
        numbers = parse_numbers(table, list(self.numbers), report, missing_allowed=True)
        report.add_gaps(self.numbers, numbers)
        if learning:
            check_scales(numbers, list(self.numbers), report)
        return numbers, categories

    @property
    def words(self) -> str:
        """The columns in words; empty if there are none."""
        kinds = {"numbers": self.numbers, "categories": self.categories}
        return "; ".join(f"{kind} {listed(names)}" for kind, names in kinds.items() if names)


def _holds_numbers(table: Table, name: str) -> bool:
    known = [value for value in table.column(name) if not is_gap(value)]
    # One with a decimal comma is found wrong where it is parsed, unless the table says that it has such.
    numbers = sum(as_float(value, table.decimal) is not None or has_decimal_comma(value) for value in known)
    return bool(known) and numbers >= _MOST * len(known)
