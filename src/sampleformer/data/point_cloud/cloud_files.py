"""Clouds from a folder, a table of paths, or files that hold one or many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sampleformer.data.point_cloud.array_rows import read_array_rows
from sampleformer.data.point_cloud.cloud_folders import FOLDER, check_name, read_folder
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.reading import SET_SUFFIXES, SUFFIXES
from sampleformer.data.point_cloud.view import CloudView
from sampleformer.errors import InputError, shown
from sampleformer.tables.format import TableFormat
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import SUFFIXES as TABLE_SUFFIXES
from sampleformer.tables.table import read_table


def read_cloud_rows(
    path: Path, column: str | None, on_error: str, view: CloudView, format: TableFormat | None = None
) -> CloudRows:
    """The clouds of a new path, whatever it is.

    Args:
        path: a folder, a table, or a file of points.
        column: column with the paths, if the training data was a table. None: tables are files of points.
        on_error: "stop" at the first row that cannot be read, or "skip".
        view: says how files of many clouds are read: their columns, the names of their classes, the lift of images.
        format: how a table is written, where it does not say.

    Raises:
        InputError: if there is no such path, or it cannot be read.
    """
    if path.is_dir():
        return read_folder(path, classes=False)
    if column is not None and path.name.lower().removesuffix(".gz").endswith(TABLE_SUFFIXES):
        return read_path_table(path, column, on_error, format)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.suffix.lower() in SET_SUFFIXES:
        return read_array_rows([path], view.columns, classes=view.classes, lift=view.lift)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: found a name that ends in {path.suffix!r}, expected one of {', '.join(SUFFIXES)}")
    check_name(Path(path.parent.name, path.name), path.parent)
    return CloudRows(str(path), {"id": [path.name], FOLDER: [path.parent.name]}, [1], clouds=[path], files=[path])


def read_path_table(path: Path, column: str, on_error: str, format: TableFormat | None = None) -> CloudRows:
    """A table with a column of paths, which are taken from the folder of the table.

    Raises:
        InputError: if it cannot be read, or has no such column.
    """
    table = read_table(path, on_error, format)
    report = RowReport(table.path, table.place, on_error)
    clouds: list[Path] = []
    for row, value in enumerate(table.column(column)):
        usable = isinstance(value, str) and value.strip() and "\0" not in value
        if not usable:
            report.add(row, f"column {column!r}: found {shown(str(value))}, expected the path of a file of points")
        clouds.append(path.parent / (value if usable else ""))
    report.log()
    rows = CloudRows(
        table.path,
        dict(table.columns),
        table.rows,
        table.lines,
        table.unreadable,
        decimal=table.decimal,
        clouds=clouds,
        files=clouds,
    )
    if not report.wrong:
        return rows
    kept = report.kept(len(rows))
    return replace(rows.take(kept), unreadable=report.skipped + table.unreadable, files=[clouds[row] for row in kept])
