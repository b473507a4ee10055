"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sampleformer.extras import require
from sampleformer.reading import check_file, reading
from sampleformer.tables.fields import PIECE_CHARACTERS, Fields, UnreadableRows, column_names
from sampleformer.unpacking import check_unpacked

if TYPE_CHECKING:
    import pyarrow


def read_parquet(path: Path, wrong: UnreadableRows, most: int | None) -> Iterator[Fields]:
    """A Parquet file, in pieces. Dates and times become texts in ISO 8601, bytes the text that they are in UTF-8.

    Args:
        path: Path of the file.
        wrong: Report of rows that cannot be read.
        most: Largest number of rows in a piece. None: all.

    Yields:
        One piece at least, which has no rows if the file has none.

    Raises:
        InputError: if pyarrow is not installed, the file cannot be read, or a row cannot.
    """
    check_file(path)
    parquet = require("pyarrow.parquet", "parquet", str(path))
    with reading(path, "a valid Parquet file"), parquet.ParquetFile(path) as file:
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        check_unpacked(path, sum(group.total_byte_size for group in groups))
        names = column_names(path, file.schema_arrow.names)
        if most is None:
            yield arrow_fields(names, file.read().columns, 1, wrong)
        else:
            start = 1
            for batch in file.iter_batches(batch_size=most):
                rows = max(1, len(batch) * PIECE_CHARACTERS // max(batch.nbytes, PIECE_CHARACTERS))
                for place in range(0, len(batch), rows):
                    yield arrow_fields(names, batch.slice(place, rows).columns, start + place, wrong)
                start += len(batch)
            if start == 1:
                yield Fields({name: [] for name in names}, [], None)
    wrong.log()


def arrow_fields(names: Sequence[str], columns: Sequence[pyarrow.Array], start: int, wrong: UnreadableRows) -> Fields:
    """Columns of Arrow as rows of a table; those that are no text are reported and left out.

    Args:
        names: Names of the columns.
        columns: The columns, of equal length.
        start: Number of the first row.
        wrong: Report of rows that cannot be read.
    """
    count = len(columns[0]) if columns else 0
    unreadable: dict[int, str] = {}
    values = {}
    for name, column in zip(names, columns, strict=True):
        values[name] = _values(_plain(column), unreadable, name)
    for place in sorted(unreadable):
        wrong.add(f"row {start + place}", unreadable[place])
    kept = [place for place in range(count) if place not in unreadable]
    if unreadable:
        values = {name: [column[place] for place in kept] for name, column in values.items()}
    return Fields(values, [start + place for place in kept], None)


def _plain(column: pyarrow.Array) -> pyarrow.Array:
    """A column of values as other formats have them, where there is a like of them."""
    pyarrow = require("pyarrow", "parquet")
    types = pyarrow.types
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    binary = types.is_binary(column.type) or types.is_large_binary(column.type)
    if not (binary or types.is_date(column.type) or types.is_time(column.type) or types.is_timestamp(column.type)):
        return column
    try:
        return column.cast(pyarrow.string())
    except pyarrow.ArrowException:  # bytes that are no text
        return column


def _values(column: pyarrow.Array, unreadable: dict[int, str], name: str) -> list[Any]:
    """Values of a column; rows whose text is not UTF-8, which Parquet files of other programs hold, are reported."""
    try:
        return [_text(value) for value in column.to_pylist()] if "binary" in str(column.type) else column.to_pylist()
    except UnicodeDecodeError:
        values: list[Any] = []
        for place, value in enumerate(column):
            try:
                values.append(value.as_py())
            except UnicodeDecodeError as error:
                found = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
                unreadable.setdefault(place, f"column {name!r}: {found}")
                values.append(None)
        return values


def _text(value: Any) -> Any:
    """Bytes as text, where they are one."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value
