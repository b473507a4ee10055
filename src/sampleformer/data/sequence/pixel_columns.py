"""Columns of whole numbers from 0 to a maximum, such as the grey levels of an image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sampleformer.data.inputs import Inputs
from sampleformer.data.sequence.number_columns import row_offsets
from sampleformer.data.token_sets import TokenSets
from sampleformer.errors import InputError
from sampleformer.sample import Sample
from sampleformer.settings import construct
from sampleformer.tables.memory import is_row, sample_tables
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import SUFFIXES
from sampleformer.tables.values import parse_numbers

if TYPE_CHECKING:
    from sampleformer.tables.table import Table


class PixelColumns(Inputs, kind="pixels"):
    """Each column is a token: a pixel's level, from 0 to a maximum.

    Args:
        columns: their names.
        maximum: the highest level.
        codes: True: a token is a code, one for each level, as in the Long Range Arena. False: it carries the number
            level / maximum.
        layout: rows and columns of the image, which is read row by row. None: it is no image.

    Raises:
        InputError: if the layout does not have as many places as there are columns.
    """

    file_suffixes = SUFFIXES

    def __init__(
        self, columns: list[str], maximum: int = 255, codes: bool = False, layout: tuple[int, int] | None = None
    ) -> None:
        self.columns = columns
        self.maximum = maximum
        self.codes = codes
        self.layout = layout
        if layout is not None and layout[0] * layout[1] != len(columns):
            raise InputError(
                f"layout: found {layout[0]} × {layout[1]} = {layout[0] * layout[1]} pixels, "
                f"expected as many as there are pixel columns: {len(columns)}"
            )

    @property
    def model_inputs(self) -> dict[str, Any]:
        token = {"vocabulary": self.maximum + 1} if self.codes else {"features": 1}
        return {**token, "length": len(self.columns)}

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        return parse_pixels(table, self.columns, self.maximum, report)

    def given(self, samples: Any, rows: int | None = None) -> Iterator[Table]:
        return sample_tables(samples, self.columns, rows)

    @property
    def value_schema(self) -> dict[str, Any]:
        pixels = {"items": self._level, "minItems": len(self.columns), "maxItems": len(self.columns)}
        return {"type": "array", **pixels}

    @property
    def row_schema(self) -> dict[str, Any]:
        return dict.fromkeys(self.columns, self._level)

    @property
    def _level(self) -> dict[str, Any]:
        return {"type": ["integer", "boolean"], "minimum": 0, "maximum": self.maximum}

    def is_one(self, value: Any) -> bool:
        return is_row(value)

    def encode(self, values: np.ndarray, report: RowReport) -> TokenSets:
        flat = values.reshape(-1) if self.codes else (values.reshape(-1, 1) / np.float32(self.maximum))
        return TokenSets(flat, row_offsets(values))

    def pieces(self, sample: Sample) -> list[str]:
        levels = sample.features if self.codes else np.rint(sample.features[:, 0] * self.maximum).astype(np.int64)
        return [str(level) for level in levels.tolist()]

    def to_json(self) -> dict[str, Any]:
        return {"columns": self.columns, "maximum": self.maximum, "codes": self.codes, "layout": self.layout}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> PixelColumns:
        return construct(cls, values, "inputs")


def parse_pixels(table: Table, columns: list[str], maximum: int, report: RowReport) -> np.ndarray:
    """Whole numbers of some columns, ``(rows, columns)`` of the smallest type that holds the maximum.

    Anything else than a whole number from 0 to the maximum is reported.
    """
    numbers = parse_numbers(table, columns, report)
    wrong = np.isfinite(numbers) & ((numbers < 0) | (numbers > maximum) | (numbers != np.rint(numbers)))
    for row, place in np.argwhere(wrong):
        report.add(
            int(row),
            f"column {columns[place]!r}: found {numbers[row, place]:g}, expected a whole number from 0 to {maximum}",
        )
    return np.where(wrong | np.isnan(numbers), 0, numbers).astype(np.min_scalar_type(maximum))
