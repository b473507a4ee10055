"""Samples that a program holds, as tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.errors import InputError, shown
from sampleformer.tables.fields import UnreadableRows
from sampleformer.tables.format import TableFormat
from sampleformer.tables.table import Table, check_any_rows, table_pieces
from sampleformer.wording import count

PATH = "samples"
"""What messages call samples in memory, in the place of a file."""


class SampleTable(Table):
    """A table in memory, whose rows are counted from 0, as sequences are."""

    def place(self, index: int) -> str:
        """Words for a sample by its position."""
        return f"sample {self.rows[index]}"


def is_frame(value: Any) -> bool:
    """Whether a value has named columns, as DataFrames of pandas and polars have."""
    return hasattr(value, "columns") and hasattr(value, "__getitem__") and not isinstance(value, Mapping | Table)


def is_series(value: Any) -> bool:
    """Whether a value is a column or a row of a DataFrame of pandas or polars."""
    return hasattr(value, "to_list") and not is_frame(value)


def series_samples(series: Any, columns: Collection[str]) -> list[Any] | dict[str, Any]:
    """What a column of a DataFrame holds, with None for gaps; a row of one as a mapping.

    Args:
        series: Column or row.
        columns: Columns that a sample has; what has them all in its index is a row.
    """
    values, index = _values(series), getattr(series, "index", ())
    names = [] if callable(index) else list(map(str, index))
    return dict(zip(names, values, strict=True)) if columns and set(columns) <= set(names) else values


def is_row(value: Any) -> bool:
    """Whether a value is one row of numbers, and not several.

    Example:
        >>> is_row([1.0, 2.0]), is_row([[1.0, 2.0]]), is_row(np.zeros(3))
        (True, False, True)
    """
    if isinstance(value, Mapping):
        return True
    if isinstance(value, list | tuple):
        return bool(value) and not isinstance(value[0], Mapping | list | tuple | np.ndarray)
    return getattr(value, "ndim", None) == 1


def listed_samples(samples: Any, expected: str) -> Any:
    """Samples that can be counted and taken by their position.

    Args:
        samples: Array or DataFrame, or anything that gives one sample after the other.
        expected: Words for one sample, for messages.

    Raises:
        InputError: if it is nothing of these, or there are none.
    """
    if not is_frame(samples) and not isinstance(samples, list | tuple | np.ndarray):
        if not isinstance(samples, Iterable) or isinstance(samples, str | bytes | Mapping):
            raise InputError(f"{PATH}: found {shown(samples)}, expected {expected}, or a sequence of such")
        samples = _values(samples) if is_series(samples) else list(samples)
    if getattr(samples, "ndim", 1) == 0 or not len(samples):
        raise InputError(f"{PATH}: found none, expected at least one")
    return samples


def sample_tables(samples: Any, columns: str | list[str], rows: int | None = None) -> Iterator[Table]:
    """Samples as tables.

    Args:
        samples: DataFrame, or a sequence of samples: a mapping from columns to values each, or values alone.
        columns: Column of the values where they stand alone; several: a sample is a row of as many.
        rows: Largest number of rows in a table. None: all.

    Raises:
        InputError: if there are none, or a sample has another number of values.

    Example:
        >>> [len(table) for table in sample_tables(["a", "b", "c"], "text", rows=2)]
        [2, 1]
    """
    words = "a text or a mapping of columns" if isinstance(columns, str) else f"{count(len(columns), 'value')}"
    samples = listed_samples(samples, words)
    table = frame_table(samples) if is_frame(samples) else _table(samples, columns)
    for start in range(0, len(table), rows or len(table)):
        part = slice(start, start + (rows or len(table)))
        yield SampleTable(PATH, {name: values[part] for name, values in table.columns.items()}, table.rows[part])


def rows_in(path: Path, format: TableFormat, most: int) -> list[tuple[str, Any]]:
    """Rows of a table file as samples: mappings from columns to values, each with words for its place in the file.

    Rows that cannot be read come last, as what is wrong with them.

    Args:
        path: Path of the file.
        format: How it is written, where it does not say.
        most: Largest number of rows. Of a file of more it is more that are returned.

    Raises:
        InputError: if the file cannot be read, or has no rows.
    """
    wrong = UnreadableRows(path, "skip", kept=most)
    table = next(iter(table_pieces(path, format=format, rows=most + 1, wrong=wrong)))
    if not wrong.count:
        check_any_rows(table)
    rows: list[tuple[str, Any]] = [
        (table.place(place), {name: values[place] for name, values in table.columns.items()})
        for place in range(len(table))
    ]
    return [*rows, *((place, InputError(message)) for place, message in wrong.first)]


def frame_table(frame: Any) -> Table:
    """A DataFrame of pandas or polars; gaps become None.

    Raises:
        InputError: if two columns have the same name.
    """
    names = [str(name) for name in frame.columns]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{PATH}: found several columns {shown(min(repeated))}, expected different names")
    return SampleTable(
        PATH, {name: _values(frame[given]) for name, given in zip(names, frame.columns, strict=True)}, range(len(frame))
    )


def _values(column: Any) -> list[Any]:
    values = list(column.to_list())
    if not hasattr(column, "isna"):  # polars has None for a gap
        return values
    return [None if gap else value for value, gap in zip(values, column.isna().to_list(), strict=True)]


def _table(samples: Any, columns: str | list[str]) -> Table:
    rows = range(len(samples))
    if isinstance(samples, np.ndarray) and samples.ndim == 2 and not isinstance(columns, str):
        if samples.shape[1] != len(columns):
            raise InputError(f"{PATH}: found {samples.shape[1]} values a sample, expected {_expected(columns)}")
        return SampleTable(PATH, {name: samples[:, place] for place, name in enumerate(columns)}, rows)
    records = [_record(position, sample, columns) for position, sample in enumerate(samples)]
    names = dict.fromkeys(name for record in records for name in record)
    return SampleTable(PATH, {name: [record.get(name) for record in records] for name in names}, rows)


def _record(position: int, sample: Any, columns: str | list[str]) -> Mapping[str, Any]:
    """The values of one sample by their columns."""
    if is_series(sample):
        sample = series_samples(sample, [columns] if isinstance(columns, str) else columns)
    elif getattr(sample, "ndim", 0) == 1:
        sample = np.asarray(sample)
    if isinstance(sample, Mapping):
        return sample
    if isinstance(columns, str):
        return {columns: sample}
    if len(columns) == 1 and not isinstance(sample, list | tuple | np.ndarray):
        return {columns[0]: sample}
    values = isinstance(sample, list | tuple) or (isinstance(sample, np.ndarray) and sample.ndim > 0)
    if not values or len(sample) != len(columns):
        found = count(len(sample), "value") if values else shown(sample)
        raise InputError(f"{PATH}: sample {position}: found {found}, expected {_expected(columns)}")
    return dict(zip(columns, sample, strict=True))


def _expected(columns: list[str]) -> str:
    first = ", ".join(map(repr, columns[:3]))
    return f"{len(columns)}: {first}{', …' if len(columns) > 3 else ''}"
