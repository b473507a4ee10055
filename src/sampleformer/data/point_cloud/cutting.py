"""Clouds cut so that every point gets an answer."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.placed_cloud import PlacedCloud
from sampleformer.errors import InputError
from sampleformer.settings import Settings, validate


class Cutting(Settings):
    """How clouds whose points get answers are cut.

    A scene is cut into square columns of x and y (z points up), which may overlap. For evaluation each column, or a
    whole cloud, is dealt out to as many interleaved sets as it takes for none to have more points than the model sees;
    so every point gets an answer, and one for each column that it is in, which are averaged.

    Args:
        block: side of a column in the unit of the coordinates; None: clouds are not cut into columns.
        stride: from one column to the next; None: the side, so that they do not overlap.
        least: columns with fewer points than this are left to their neighbours, if those reach into them; else they are
            kept.
        room: whether a point of a column also carries its place in the whole scene, scaled to [0, 1], and x and y are
            counted from the middle of the column, as published for S3DIS.
    """

    block: float | None = Field(default=None, gt=0)
    stride: float | None = Field(default=None, gt=0)
    least: int = Field(default=1, ge=1)
    room: bool = False

    @classmethod
    def of(cls, **values: Any) -> Cutting:
        """The cutting that settings of a source say.

        Raises:
            InputError: if a setting is out of its range, or columns would leave gaps.
        """
        cutting = validate(cls, values, "data")
        if cutting.stride is not None and cutting.block is None:
            raise InputError(f"data: stride: found {cutting.stride}, expected it beside the setting block")
        if cutting.stride is not None and cutting.block is not None and cutting.stride > cutting.block:
            raise InputError(f"data: stride: found {cutting.stride}, expected at most the block, {cutting.block}")
        return cutting

    def rows(
        self, rows: CloudRows, clouds: Sequence[PlacedCloud], kept: np.ndarray, points: int, *, training: bool
    ) -> CloudRows:
        """A row for each set of points.

        Args:
            rows: of the clouds.
            clouds: of each row.
            kept: which rows are cut.
            points: how many the model sees.
            training: a column is one set, of which each pass draws some points.
        """
        places, parts = [], []
        for row in kept.tolist():
            for column in self.columns(clouds[row]):
                sets = [column] if training else deal(column, points)
                parts += sets
                places += [row] * len(sets)
        cut = rows.take(places)
        return CloudRows(cut.path, cut.columns, cut.rows, cut.lines, cut.unreadable, parts, cut.files, cut.categories)

    def columns(self, placed: PlacedCloud) -> list[PlacedCloud]:
        """The columns of one cloud that hold points; all of it if clouds are not cut."""
        if self.block is None:
            return [placed]
        points = placed.cloud.points.astype(np.float64)
        low, high = points.min(axis=0), points.max(axis=0)
        found, seen = [], np.zeros(len(placed), dtype=bool)
        sparse = []
        for corner, inside in _squares(points, low, high, self.block, self.stride or self.block):
            if len(inside) < self.least:
                sparse.append((corner, inside))
                continue
            seen[inside] = True
            found.append((corner, inside))
        for corner, inside in sparse:
            if not seen[inside].all():
                seen[inside] = True
                found.append((corner, inside))
        return [self._column(placed, points, corner, inside, low, high) for corner, inside in found]

    def _column(
        self,
        placed: PlacedCloud,
        points: np.ndarray,
        corner: np.ndarray,
        rows: np.ndarray,
        low: np.ndarray,
        high: np.ndarray,
    ) -> PlacedCloud:
        chosen = placed.take(rows)
        if not self.room:
            return chosen
        cloud, extent = chosen.cloud, np.where(high > low, high - low, 1.0)
        moved = points[rows].copy()
        moved[:, :2] -= corner + self.block / 2  # type: ignore[operator]
        moved[:, 2] -= low[2]
        place = ((points[rows] - low) / extent).astype(np.float32)
        features = place if cloud.features is None else np.concatenate([cloud.features, place], axis=1)
        return PlacedCloud(Cloud(moved.astype(np.float32), cloud.normals, features, cloud.labels), chosen.index)


def deal(placed: PlacedCloud, points: int) -> list[PlacedCloud]:
    """Interleaved sets of at most so many points, of sizes that differ by one at most; each point is in one of them.

    Which set a point comes to is drawn by what the cloud holds.

    Example:
        >>> cloud = Cloud(np.eye(3, dtype=np.float32))
        >>> [len(part) for part in deal(PlacedCloud.whole(cloud), 2)]
        [2, 1]
    """
    sets = -(-len(placed) // points)
    if sets == 1:
        return [placed]
    random = np.random.default_rng(zlib.crc32(np.ascontiguousarray(placed.cloud.points).tobytes()))
    order = random.permutation(len(placed))
    return [placed.take(np.sort(order[first::sets])) for first in range(sets)]


def _squares(
    points: np.ndarray, low: np.ndarray, high: np.ndarray, block: float, stride: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Corner of each square of x and y that holds points, and which; memory and time go with what they hold."""
    for x, strip in _intervals(points[:, 0], low[0], high[0], block, stride):
        for y, inside in _intervals(points[strip, 1], low[1], high[1], block, stride):
            yield np.array([x, y]), np.sort(strip[inside])


def _intervals(
    values: np.ndarray, low: float, high: float, block: float, stride: float
) -> Iterator[tuple[float, np.ndarray]]:
    """Start of each interval ``low + stride · i`` of length `block` that holds values, and which; the last reaches to
    the highest, whatever rounding says."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    last = max(int(np.ceil((high - low - block) / stride)), 0)
    nearest = np.unique(np.floor((ordered - low) / stride).astype(np.int64).clip(max=last))
    reach = range(-1, int(np.ceil(block / stride)) + 1)  # one further than needed, for roundings
    numbers = np.unique(np.concatenate([nearest - back for back in reach]).clip(0, last))
    for number in numbers.tolist():
        start = low + stride * number
        first = np.searchsorted(ordered, start)
        stop = len(ordered) if number == last else np.searchsorted(ordered, start + block, side="right")
        if first < stop:
            yield float(start), order[first:stop]
