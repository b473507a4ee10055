"""What predictions call the rows of a table."""

import math
import re
from typing import Any

from sampleformer.errors import InputError
from sampleformer.tables.table import Table
from sampleformer.tables.values import as_float, value_words

_OF_PANDAS = re.compile(r"unnamed: \d+|__index_level_\d+__")
_INDEX = ("index", "level_0", "row", "row_id", "row_number", "rowid")


def id_column(table: Table, given: str | None = None) -> str | None:
    """The column that names the rows: the one given, or else "id", however it is capitalised.

    Raises:
        InputError: if the column given is missing.
    """
    if given is not None:
        table.column(given)
        return given
    named = [name for name in table.columns if name.lower() == "id"]
    return "id" if "id" in named else named[0] if named else None


def row_ids(table: Table, column: str | None) -> list[str]:
    """The name of each row: its value in `id_column`, or else its number.

    Raises:
        InputError: if a name is a list or an object.
    """
    found = id_column(table, column)
    if found is None:
        return [str(row) for row in table.rows]
    return [_name(table, found, row, value) for row, value in enumerate(table.column(found))]


def _name(table: Table, column: str, row: int, value: Any) -> str:
    if isinstance(value, list | dict | bytes):
        found = value_words(value)
        raise InputError(f"{table.path}: {table.place(row)}: column {column!r}: found {found}, expected a name")
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def names_rows(table: Table, column: str) -> str | None:
    """Words for a column that tells the rows apart and says nothing about them; None if it is no such column.

    An index that pandas wrote, a column "id" or "index", and any column that counts the rows: what is sorted by class
    would give the answers away.
    """
    name = column.lower()
    if _OF_PANDAS.fullmatch(name):
        return "an index of pandas, or a column without a name"
    if name == "id":
        return "names the rows"
    if _steps(table, column) == {1.0}:
        return "counts the rows"
    if name in _INDEX:
        values = [as_float(value) for value in table.column(column)]
        if len(set(values)) == len(values) and all(value is not None and value.is_integer() for value in values):
            return "numbers the rows"
    return None


def _steps(table: Table, column: str) -> set[float]:
    """Differences between a row and the next; of a column that does not count the rows only the first."""
    steps: set[float] = set()
    before: float | None = None
    for value in table.column(column):
        number = as_float(value)
        if number is None or not number.is_integer():
            return set()
        if before is not None:
            steps.add(number - before)
            if steps != {1.0}:
                break
        before = number
    return steps if len(table) > 2 else set()


def scene_ids(table: Table, column: str | None) -> list[str]:
    """`row_ids` of clouds that may be cut into blocks, of which those of one name are put together again.

    Raises:
        InputError: if different clouds have one name.
    """
    names = row_ids(table, column)
    owners: dict[str, int] = {}
    for index, (name, row) in enumerate(zip(names, table.rows, strict=True)):
        if owners.setdefault(name, row) != row:
            raise InputError(
                f"{table.path}: {table.place(index)}: the id {name!r} is that of row {owners[name]} too, expected "
                "another one for each cloud, since answers for points of one id are averaged"
            )
    return names
