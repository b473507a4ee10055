"""Columns of a table that describe nodes or edges."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from sampleformer.data.column_values import as_float, label_text, parse_numbers
from sampleformer.data.report import RowReport
from sampleformer.data.table import Table
from sampleformer.errors import NAMES_SHOWN

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
        """All columns but some: one is of numbers if nine in ten of its fields that are not empty hold one.

        What is none among so many numbers is a mistake, and found when the column is parsed.
        """
        names = [name for name in table.columns if name not in left_out]
        numbers = {name for name in names if _holds_numbers(table, name)}
        return cls(
            tuple(name for name in names if name in numbers), tuple(name for name in names if name not in numbers)
        )

    def parse(self, table: Table, report: RowReport) -> tuple[np.ndarray, np.ndarray]:
        """The values of the columns.

        Args:
            table: the table.
            report: is told of rows where a number is missing or not finite.

        Returns:
            ``(rows, numbers)`` float64, and ``(rows, categories)`` texts as objects.

        Raises:
            InputError: if a column is missing, or a row is wrong and the report stops at the first.
        """
        categories = np.empty((len(table), len(self.categories)), dtype=object)
        for place, name in enumerate(self.categories):
            values = table.column(name)
            for row, value in enumerate(values):
                if isinstance(value, dict | list):
                    report.add(row, f"column {name!r}: found a list or an object, expected a text or a number")
            categories[:, place] = [label_text(value) or "" for value in values]
        return parse_numbers(table, list(self.numbers), report), categories

    @property
    def words(self) -> str:
        """The columns in words; empty if there are none."""
        kinds = {"numbers": self.numbers, "categories": self.categories}
        return "; ".join(f"{kind} {listed(names)}" for kind, names in kinds.items() if names)


def listed(names: Sequence[str]) -> str:
    """Names in words, the first ones if they are many.

    Example:
        >>> listed(["a", "b"])
        'a, b'
    """
    more = f", … ({len(names)} in all)" if len(names) > NAMES_SHOWN else ""
    return ", ".join(" ".join(name.split()) or repr(name) for name in names[:NAMES_SHOWN]) + more


def _holds_numbers(table: Table, name: str) -> bool:
    known = [value for value in table.column(name) if label_text(value) is not None]
    numbers = sum(as_float(value) is not None for value in known)
    return bool(known) and numbers >= _MOST * len(known)
