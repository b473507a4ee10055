"""The contract of a descriptor: numbers that describe a whole sample, beside its tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from sampleformer.registry import Registry
from sampleformer.settings import construct
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table


class Descriptor(ABC):
    """Numbers that describe a whole sample: counts of fragments of a molecule, extents of a shape, columns of a table.

    A descriptor of one's own is a class that derives from this one; recipes name it by its import path.

    Attributes:
        name: Name in recipes.
        takes: Class of the values that it measures.
        of: Word for samples with such values.
        arguments: Constructor's arguments as plain values.
    """

    name: ClassVar[str]
    takes: ClassVar[type] = object
    of: ClassVar[str] = "samples"
    columns: list[str] = []  # noqa: RUF012 - replaced, never changed
    """Columns of the table that it needs beside those of the tokens."""

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Name of each column of what `measure` gives."""

    @abstractmethod
    def measure(self, values: Sequence[Any] | np.ndarray, table: Table, report: RowReport) -> np.ndarray:
        """The numbers of each row, ``(rows, columns)``; NaN where one is not known.

        Args:
            values: Input of each row as the inputs' `parse` gave it.
            table: Table of the rows.
            report: Report of wrong rows.
        """

    def learn(self, table: Table, inputs: Sequence[str]) -> Descriptor:
        """The descriptor with what the user's main table says of it.

        Args:
            table: Table.
            inputs: Names of its columns that the tokens are made of.
        """
        return self

    def name_in(self, column: int, source: str) -> str:
        """Name of a column that is not zero in a sample, in terms of the sample where that says more.

        Args:
            column: Place of the column in `names`.
            source: Raw text of the sample, such as its SMILES.
        """
        return self.names[column]

    def to_json(self) -> dict[str, Any]:
        """The constructor's arguments as plain values."""
        return {}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Descriptor:
        """The inverse of `to_json`."""
        return construct(cls, values, f"descriptors.{cls.name}")


DESCRIPTORS: Registry[Descriptor] = Registry(Descriptor, {})  # type: ignore[type-abstract]
"""Descriptors by name; `sampleformer.data.descriptors` fills it."""


MOST = 1 << 17
"""Largest value of an argument that says how many numbers there are: files of strangers fill no memory."""


def within(name: str, value: int, least: int, most: int = MOST) -> int:
    """The value of an argument.

    Args:
        name: Name of the argument, for the message.
        value: The value.
        least, most: Bounds of it.

    Raises:
        ValueError: if it is less or more.
    """
    if not least <= value <= most:
        raise ValueError(f"{name} is {value:,}, expected {least:,} to {most:,}")
    return value
