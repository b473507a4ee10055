"""Points from text: a line a point."""

from collections.abc import Sequence
from pathlib import Path

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.columns import POSITIONS, cloud_of_columns
from sampleformer.data.point_cloud.text_rows import is_number, text_rows, to_numbers
from sampleformer.errors import InputError


def read_text_points(path: Path, columns: Sequence[str] | None = None) -> Cloud:
    """The points of an XYZ, TXT or CSV file, numbers between commas, semicolons or blanks.

    A first line without a number is a header; if it names x, y and z (in any case), it says what the columns are.
    Comments start with ``#`` or ``//``.

    Args:
        path: the file.
        columns: what the columns are, see `cloud_of_columns`; None: as the header says, else as they look.

    Raises:
        InputError: if a line has too many or too few columns, or one that is no finite number.
    """
    rows = text_rows(path, comments=("#", "//"))
    if rows and not any(is_number(field) for field in rows[0].fields):
        header = [field.strip("\"' ").lower() for field in rows.pop(0).fields]
        if columns is None and set(POSITIONS) <= set(header):
            columns = header
    if not rows:
        raise InputError(f"{path}: found no points, expected a line for each")
    width = len(rows[0].fields) if columns is None else len(columns)
    if width < 3:
        raise InputError(f"{path}: line {rows[0].line}: found {width} columns, expected 3 (x, y, z) or more")
    for row in rows:
        if len(row.fields) != width:
            expected = f"{width} as in line {rows[0].line}" if columns is None else f"{width}: {' '.join(columns)}"
            raise InputError(f"{path}: line {row.line}: found {len(row.fields)} columns, expected {expected}")
    try:
        return cloud_of_columns(to_numbers(path, rows, 0, width), columns)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
