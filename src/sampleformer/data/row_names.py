"""What predictions call the rows of a table."""

from sampleformer.data.table import Table
from sampleformer.errors import InputError


def row_ids(table: Table, column: str | None) -> list[str]:
    """The name of each row: its value in the column given or else in a column "id", or else its number."""
    if column is None and "id" not in table.columns:
        return [str(row) for row in table.rows]
    return [str(value) for value in table.column(column or "id")]


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
