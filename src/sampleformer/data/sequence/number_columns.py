"""Columns of numbers or pixels as tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sampleformer.data.inputs import Inputs
from sampleformer.data.token_sets import TokenSets
from sampleformer.errors import InputError, listed
from sampleformer.sample import Sample
from sampleformer.settings import construct
from sampleformer.tables.memory import is_row, sample_tables
from sampleformer.tables.report import RowReport
from sampleformer.tables.standardisation import mean_and_deviation, reach, standardised
from sampleformer.tables.table import SUFFIXES
from sampleformer.tables.values import parse_numbers
from sampleformer.tasks import Contents
from sampleformer.wording import count

if TYPE_CHECKING:
    from sampleformer.tables.table import Table


class NumberColumns(Inputs, kind="numbers"):
    """Each column is a token that carries one standardised number, ``(value - shift) / scale``, or NaN for a gap.

    A gap in a column that had none in the training part counts as the mean: nothing was learnt of it.

    Args:
        columns: their names.
        shift, scale: of each column, in its unit.
        missing: Gaps of each column in the training part, of a run that began from another one also those of that one.
            None: there were none.
    """

    file_suffixes = SUFFIXES

    def __init__(
        self, columns: list[str], shift: list[float], scale: list[float], missing: list[int] | None = None
    ) -> None:
        self.columns = columns
        self.shift = np.array(shift, dtype=np.float64)
        self.scale = np.array(scale, dtype=np.float64)
        self.missing = np.zeros(len(columns), np.int64) if missing is None else np.array(missing, dtype=np.int64)

    @classmethod
    def learn(cls, columns: list[str], values: np.ndarray, path: str) -> NumberColumns:
        """Takes mean, deviation and gaps from the values ``(rows, columns)`` of the training part.

        Raises:
            InputError: if a column holds nothing but gaps.
        """
        missing = np.isnan(values).sum(axis=0)
        if empty := [name for name, gaps in zip(columns, missing.tolist(), strict=True) if gaps == len(values)]:
            rows = count(len(values), "row")
            raise InputError(
                f"{path}: found no number in the {rows} of the training part in {listed(list(map(repr, empty)))}; name "
                "the columns to use with --columns"
            )
        mean, deviation = mean_and_deviation(values)
        return cls(columns, mean.tolist(), deviation.tolist(), missing.tolist())

    @property
    def gaps(self) -> dict[str, int]:
        return {name: gaps for name, gaps in zip(self.columns, self.missing.tolist(), strict=True) if gaps}

    @property
    def model_inputs(self) -> dict[str, Any]:
        return {"features": 1, "length": len(self.columns)} | ({"gaps": True} if self.missing.any() else {})

    def with_learnt(self, other: Inputs) -> NumberColumns:
        self._alike(other)
        assert isinstance(other, NumberColumns)
        if other.columns != self.columns:
            raise InputError("training.init_from: that run read other columns of numbers, expected the same ones")
        return NumberColumns(
            other.columns,
            other.shift.tolist(),
            other.scale.tolist(),
            np.where(self.missing, self.missing, other.missing).tolist(),
        )

    @property
    def contents(self) -> Contents:
        return Contents(columns=["value"])

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        values = parse_numbers(table, self.columns, report, missing_allowed=True)
        report.add_gaps(self.columns, values)
        return values

    def given(self, samples: Any, rows: int | None = None) -> Iterator[Table]:
        return sample_tables(samples, self.columns, rows)

    @property
    def value_schema(self) -> dict[str, Any]:
        return row_of_numbers(list(self.row_schema.values()))

    @property
    def row_schema(self) -> dict[str, Any]:
        """Numbers that are not too far from those of the training, and gaps."""
        least, most = reach(self.shift, self.scale)
        return {
            name: {"type": ["number", "boolean", "null"], "minimum": low, "maximum": high}
            for name, low, high in zip(self.columns, least.tolist(), most.tolist(), strict=True)
        }

    def is_one(self, value: Any) -> bool:
        return is_row(value)

    def encode(self, values: np.ndarray, report: RowReport) -> TokenSets:
        scaled = standardised(values, self.shift, self.scale, self.columns, report)
        new = np.isnan(scaled) & (self.missing == 0)
        report.new_gaps.update(self.columns[place] for place in np.flatnonzero(new.any(axis=0)))
        scaled[new] = 0
        return TokenSets(scaled.reshape(-1, 1), row_offsets(values))

    def pieces(self, sample: Sample) -> list[str]:
        values = sample.features[:, 0] * self.scale + self.shift
        words = ["missing" if np.isnan(value) else f"{value:.6g}" for value in values]
        return [f"{name} = {word}" for name, word in zip(self.columns, words, strict=True)]

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": self.columns,
            "shift": self.shift.tolist(),
            "scale": self.scale.tolist(),
            "missing": self.missing.tolist(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> NumberColumns:
        return construct(cls, values, "inputs")


def row_of_numbers(columns: list[dict[str, Any]]) -> dict[str, Any]:
    """JSON Schema of a row with a value for each column."""
    return {"type": "array", "prefixItems": columns, "minItems": len(columns), "maxItems": len(columns)}


def row_offsets(values: np.ndarray) -> np.ndarray:
    """Where each row of ``(rows, columns)`` begins when all stand one after the other, and where the last ends."""
    return np.arange(values.shape[0] + 1, dtype=np.int64) * values.shape[1]
