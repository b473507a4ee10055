"""What all sources of point clouds share."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import Self, Unpack

from sampleformer.data.point_cloud.array_rows import LABEL
from sampleformer.data.point_cloud.cloud_files import read_cloud_rows
from sampleformer.data.point_cloud.cloud_folders import SPLIT
from sampleformer.data.point_cloud.cloud_inputs import CloudInputs
from sampleformer.data.point_cloud.cloud_parsing import parse_clouds
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.cutting import Cutting
from sampleformer.data.point_cloud.point_labels import POINT_LABELS, PointLabels
from sampleformer.data.point_cloud.point_loading import PointLoading
from sampleformer.data.point_cloud.view import CloudView
from sampleformer.data.split_columns import named_splits
from sampleformer.data.table_loading import Loading, TableLoading, Values
from sampleformer.data.table_source import RowOptions, TableSource
from sampleformer.errors import InputError
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table


class CloudSource(TableSource):
    """Point clouds with something to predict: of each cloud, or of each of its points.

    Args:
        path: names the source in messages.
        label: column, or several, of the clouds; or "labels" (or "pid", "seg", "label"), if there is no such column:
            the labels of points that the files hold.
        view: what of a cloud the model sees, settings of `CloudView`.
        column: column with the paths of the clouds, if a table lists them.
        cutting: for labels of points, how clouds are cut.
        names: what the labels of points are called: names of 0, 1, 2, …
        parts: whether the labels of points are parts of shapes, each of one category alone. None: if several folders
            hold shapes, and none of their labels are the same.
        categories: the names of the parts of each category, if they are known.
        rows: Which clouds are for what, and how tables are read, see `RowOptions`. Where nothing says which are for
            validation and test, a column "split" does if there is one.
    """

    row_by_row = True
    rows_at_once = 128
    further_settings = tuple(CloudView.model_fields)

    def __init__(
        self,
        path: str | os.PathLike[str],
        label: str | list[str] | None,
        view: Mapping[str, Any],
        *,
        column: str | None = None,
        cutting: Cutting | None = None,
        names: Sequence[str] | None = None,
        parts: bool | None = None,
        categories: Mapping[str, Sequence[str]] | None = None,
        **rows: Unpack[RowOptions],
    ) -> None:
        super().__init__(path, label, **rows)
        self.view = CloudView.of(view)
        self.column = column
        self.cutting = cutting or Cutting()
        self.point_labels = PointLabels(names)
        self.parts = parts
        self.categories = categories

    @abstractmethod
    def read(self) -> CloudRows:
        """All clouds, or the files that hold them."""

    def read_part(self, path: str | os.PathLike[str]) -> CloudRows:
        return read_cloud_rows(Path(path), self.column, self.on_error, self.view, self.table_format)

    def input_columns(self, table: Table) -> list[str]:
        return [] if self.column is None else [self.column]

    def parse_inputs(self, table: Table, columns: list[str], report: RowReport) -> np.ndarray:
        assert isinstance(table, CloudRows)
        return parse_clouds(table, self.view, report)

    def learn_inputs(self, columns: list[str], values: Values) -> CloudInputs:
        return CloudInputs.learn(self.view, values, column=self.column)

    def answers_points(self, rows: Table) -> bool:
        """Whether the answers are for points, not for clouds."""
        if self.task is not None and self.task.from_inputs:
            return False
        return self.labels[0] in (*POINT_LABELS, LABEL) and self.labels[0] not in rows.columns

    def loading(self, table: Table) -> Callable[[Self, Any], Loading]:
        assert isinstance(table, CloudRows)
        if SPLIT in table.columns and SPLIT not in self.labels:
            found = named_splits(table, SPLIT)
            self.valid = self._split_of(table, "valid", self.valid, "valid" in found)
            self.test = self._split_of(table, "test", self.test, "test" in found)
        return PointLoading if self.answers_points(table) else TableLoading

    def _split_of(self, rows: CloudRows, split: str, given: str | None, found: bool) -> str | None:
        """What says which clouds are of a split: what the user gave, else the column `SPLIT` if it names the split."""
        if found and given is not None and given not in rows.columns:
            named = f"{rows.path} has clouds for it too, by its folders or its column {SPLIT!r}"
            raise InputError(f"{split}: given as {given}, but {named}; expected one of them")
        return SPLIT if found and given is None else given
