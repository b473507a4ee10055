"""A table that lists clouds."""

from pathlib import Path
from typing import Any

from sampleformer.data.point_cloud.cloud_files import read_path_table
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.cloud_source import CloudSource
from sampleformer.data.point_cloud.cutting import Cutting
from sampleformer.tables.format import TableFormat


class CloudTable(CloudSource):
    """A table with a column of paths of meshes or files of points.

    Args:
        path: CSV, TSV, JSONL (each also .gz) or Parquet file.
        cloud: column of the paths, which are taken from the folder of the table.
        label: target column, or several; "labels", if there is no such column: the labels of points in the files.
        block, stride, room: for labels of points of scenes, see `Cutting`.
        names: what the labels of points are called: names of 0, 1, 2, …
        valid: a file, or a column that tells which rows are for validation. None: a column "split", else a tenth.
        test: the same for the test.
        task: Name of the task in `TASKS`, or an import path. None: inferred from the target columns.
        id: column that names the rows. None: a column named "id" if there is one, else row numbers.
        limit: use at most so many rows of each split.
        seed: seed of the splits and of the choice of rows.
        on_error: "stop" at the first wrong row, or "skip" and count wrong rows.
        format: separator, encoding and decimal mark of the table, where it does not say them.
        view: what of a cloud the model sees: points, normals, train_rotation and all other settings of `CloudView`.
    """

    def __init__(
        self,
        path: str,
        cloud: str,
        label: str | list[str] | None = None,
        block: float | None = None,
        stride: float | None = None,
        room: bool = False,
        names: list[str] | None = None,
        valid: str | None = None,
        test: str | None = None,
        task: str | None = None,
        id: str | None = None,
        limit: int | None = None,
        seed: int = 0,
        on_error: str = "stop",
        format: TableFormat | None = None,
        **view: Any,
    ) -> None:
        super().__init__(
            path,
            label,
            view,
            column=cloud,
            cutting=Cutting.of(block=block, stride=stride, room=room),
            names=names,
            valid=valid,
            test=test,
            task=task,
            id=id,
            limit=limit,
            seed=seed,
            on_error=on_error,
            format=format,
        )

    def main_files(self) -> dict[str, list[Path]]:
        return {"path": sorted({Path(self.path), *(path for path in self.read().files if path.is_file())})}

    def read(self) -> CloudRows:
        assert self.column is not None
        return read_path_table(Path(self.path), self.column, self.on_error, self.table_format)
