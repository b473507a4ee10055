"""Columns of numbers or pixels as tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sampleformer.data.inputs import Inputs
from sampleformer.data.token_sets import TokenSets
from sampleformer.errors import InputError
from sampleformer.sample import Sample
from sampleformer.settings import construct
from sampleformer.tables.memory import is_row, sample_tables
from sampleformer.tables.report import RowReport
from sampleformer.tables.standardisation import mean_and_deviation, reach, standardised
from sampleformer.tables.table import SUFFIXES
from sampleformer.tables.values import parse_numbers
from sampleformer.tasks import Contents

if TYPE_CHECKING:
    from sampleformer.tables.table import Table


class NumberColumns(Inputs, kind="numbers"):
    """Each column is a token that carries one standardised number, ``(value - shift) / scale``.

    Args:
        columns: their names.
        shift, scale: of each column, in its unit.
    """

    file_suffixes = SUFFIXES

    def __init__(self, columns: list[str], shift: list[float], scale: list[float]) -> None:
        self.columns = columns
        self.shift = np.array(shift, dtype=np.float64)
        self.scale = np.array(scale, dtype=np.float64)

    @classmethod
    def learn(cls, columns: list[str], values: np.ndarray) -> NumberColumns:
        """Takes mean and deviation from the values ``(rows, columns)`` of the training part."""
        mean, deviation = mean_and_deviation(values)
        return cls(columns, mean.tolist(), deviation.tolist())

    @property
    def model_inputs(self) -> dict[str, Any]:
        return {"features": 1, "length": len(self.columns)}

    def with_learnt(self, other: Inputs) -> NumberColumns:
        self._alike(other)
        assert isinstance(other, NumberColumns)
        if other.columns != self.columns:
            raise InputError("training.init_from: that run read other columns of numbers, expected the same ones")
        return other

    @property
    def contents(self) -> Contents:
        return Contents(columns=["value"])

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        return parse_numbers(table, self.columns, report)

    def given(self, samples: Any, rows: int | None = None) -> Iterator[Table]:
        return sample_tables(samples, self.columns, rows)

    @property
    def value_schema(self) -> dict[str, Any]:
        return row_of_numbers(list(self.row_schema.values()))

    @property
    def row_schema(self) -> dict[str, Any]:
        """Numbers that are not too far from those of the training."""
        least, most = reach(self.shift, self.scale)
        return {
            name: {"type": ["number", "boolean"], "minimum": low, "maximum": high}
            for name, low, high in zip(self.columns, least.tolist(), most.tolist(), strict=True)
        }

    def is_one(self, value: Any) -> bool:
        return is_row(value)

    def encode(self, values: np.ndarray, report: RowReport) -> TokenSets:
        scaled = standardised(values, self.shift, self.scale, self.columns, report)
        return TokenSets(scaled.reshape(-1, 1), row_offsets(values))

    def pieces(self, sample: Sample) -> list[str]:
        values = sample.features[:, 0] * self.scale + self.shift
        return [f"{name} = {value:.6g}" for name, value in zip(self.columns, values, strict=True)]

    def to_json(self) -> dict[str, Any]:
        return {"columns": self.columns, "shift": self.shift.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> NumberColumns:
        return construct(cls, values, "inputs")


def row_of_numbers(columns: list[dict[str, Any]]) -> dict[str, Any]:
    """JSON Schema of a row with a value for each column."""
    return {"type": "array", "prefixItems": columns, "minItems": len(columns), "maxItems": len(columns)}


def row_offsets(values: np.ndarray) -> np.ndarray:
    """Where each row of ``(rows, columns)`` begins when all stand one after the other, and where the last ends."""
    return np.arange(values.shape[0] + 1, dtype=np.int64) * values.shape[1]
