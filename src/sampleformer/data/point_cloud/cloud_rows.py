"""Clouds as the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.placed_cloud import PlacedCloud
from sampleformer.tables.table import Table


@dataclass(frozen=True)
class CloudRows(Table):
    """A table with one row for each cloud, and the clouds or the files that hold them.

    Args:
        clouds: that of each row: the path of a file, a cloud, or some points of one.
        files: where they are from, which names them in the cache.
        categories: the category of each cloud, for the parts of shapes.
    """

    clouds: Sequence[Path | Cloud | PlacedCloud] = ()
    files: Sequence[Path] = field(default=())
    categories: Sequence[str] | None = None

    def place(self, index: int) -> str:
        """Words for where a cloud is: its row in a table, or else its name."""
        if self.lines is not None:
            return super().place(index)
        name = str(self.columns["id"][index])
        return f"cloud {name}" if name.isdigit() else name

    def part(self, start: int, stop: int) -> CloudRows:
        return self.take(range(len(self))[start:stop])

    def take(self, rows: Sequence[int] | np.ndarray) -> CloudRows:
        """Some of the rows, in the order given."""
        chosen = [int(row) for row in rows]
        return CloudRows(
            self.path,
            {name: [values[row] for row in chosen] for name, values in self.columns.items()},
            [self.rows[row] for row in chosen],
            None if self.lines is None else [self.lines[row] for row in chosen],
            self.unreadable,
            [self.clouds[row] for row in chosen],
            self.files,
            None if self.categories is None else [self.categories[row] for row in chosen],
        )
