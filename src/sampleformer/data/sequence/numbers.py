"""Tables of numbers or pixels."""

import os

import numpy as np
from typing_extensions import Unpack

from sampleformer.data.descriptors import TableColumns
from sampleformer.data.inputs import Inputs
from sampleformer.data.row_names import names_rows
from sampleformer.data.sequence.number_columns import NumberColumns
from sampleformer.data.sequence.pixel_columns import PixelColumns, parse_pixels
from sampleformer.data.table_loading import Values
from sampleformer.data.table_source import RowOptions, TableSource
from sampleformer.errors import InputError, listed, nearest
from sampleformer.tables.report import RowReport
from sampleformer.tables.standardisation import check_scales
from sampleformer.tables.table import Table
from sampleformer.tables.values import holds_words, parse_numbers

VALUES = ("numbers", "pixels", "codes")


class NumberTable(TableSource):
    """A table of numbers or pixels: each column is one token.

    Args:
        path: CSV, TSV, JSONL (each also .gz) or Parquet file.
        label: target column, or several.
        columns: input columns, in the order of the tokens. None: all but those named elsewhere, those that only name or
            count the rows, see `names_rows`, and those of words that are others in each row.
        left_out: columns that are no inputs either, where `columns` are not given.
        values: "numbers": any, each column standardised by its mean and deviation in the training part, and gaps;
            "pixels": whole numbers from 0 to `maximum`, scaled to [0, 1]; "codes": the same as codes, as in the Long
            Range Arena.
        maximum: the highest level of a pixel.
        layout: rows and columns, if the pixels are an image, read row by row.
        rows: ``valid``, ``test``, ``task``, ``id``, ``limit``, ``seed``, ``on_error`` and ``format``: which rows are
            for what, and how the files are read, see `RowOptions`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        label: str | list[str] | None = None,
        columns: list[str] | None = None,
        values: str = "numbers",
        maximum: int = 255,
        layout: tuple[int, int] | None = None,
        left_out: list[str] | None = None,
        **rows: Unpack[RowOptions],
    ) -> None:
        super().__init__(path, label, **rows)
        if values not in VALUES:
            raise InputError(f"values: found {values!r}; {nearest(values, VALUES)}")
        if not 1 <= maximum <= 65_535:
            raise InputError(f"maximum: found {maximum}, expected a number from 1 to 65535")
        if layout is not None and values == "numbers":
            raise InputError("layout: given, but the values are 'numbers'; expected values 'pixels' or 'codes'")
        self.columns = columns
        self.values = values
        self.maximum = maximum
        self.layout = layout
        self.left_out = left_out or []

    def input_columns(self, table: Table) -> list[str]:
        for name in self.left_out:
            table.column(name)  # names the nearest one if it is missing
        described = (name for each in self.descriptors if isinstance(each, TableColumns) for name in each.columns)
        elsewhere = {*self.labels, self.valid, self.test, self.id, *described, *self.left_out}
        names = self.columns
        if names is None:
            rest = [name for name in table.columns if name not in elsewhere and names_rows(table, name) is None]
            words = [name for name in rest if holds_words(table.column(name))]
            # One that is another in each row says nothing of the others.
            if kinds := [name for name in words if len(set(table.column(name))) < len(table)]:
                raise InputError(
                    f"{table.path}: found no number in {listed(list(map(repr, kinds)))}; --features takes columns of "
                    f"categories beside the numbers, --set data.id={kinds[0]} one that names the rows, and "
                    f"--set 'data.left_out=[{kinds[0]}]' leaves it out"
                )
            names = [name for name in rest if name not in words]
        if not names:
            found = listed(list(table.columns))
            raise InputError(f"{table.path}: found no column of numbers besides {found}, expected one")
        return names

    def parse_inputs(self, table: Table, columns: list[str], report: RowReport) -> np.ndarray:
        if self.values == "numbers":
            values = parse_numbers(table, columns, report, missing_allowed=True)
            report.add_gaps(columns, values)
            check_scales(values, columns, report)
            return values
        return parse_pixels(table, columns, self.maximum, report)

    def learn_inputs(self, columns: list[str], values: Values) -> Inputs:
        if self.values == "numbers":
            return NumberColumns.learn(columns, np.asarray(values), str(self.path))
        return PixelColumns(columns, self.maximum, codes=self.values == "codes", layout=self.layout)
