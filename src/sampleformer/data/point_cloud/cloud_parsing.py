"""From rows of clouds to points in memory."""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.cloud_cache import CloudCache
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.meshes import MESH_SUFFIXES
from sampleformer.data.point_cloud.placed_cloud import PlacedCloud
from sampleformer.data.point_cloud.published.s3dis_rooms import is_room, read_room
from sampleformer.data.point_cloud.reading import read_cloud
from sampleformer.data.point_cloud.thinning import reduced, thin
from sampleformer.data.point_cloud.view import CloudView
from sampleformer.data.progress import progress_bar
from sampleformer.errors import InputError
from sampleformer.reading import reading
from sampleformer.tables.report import RowReport

logger = logging.getLogger("sampleformer")

_AT_ONCE = 32
_REMARKS_SHOWN = 5
_WORTH_KEEPING = 200  # fewer clouds are read again as fast as from the cache
_NOTHING = PlacedCloud.whole(Cloud(np.zeros((1, 3), np.float32)))


def parse_clouds(rows: CloudRows, view: CloudView, report: RowReport, *, whole: bool = False) -> np.ndarray:
    """The clouds of rows, ``(rows,)`` of `PlacedCloud`; what cannot be read is reported.

    Many clouds that were read without an error are kept in the cache; what was cut out of clouds is in memory already,
    and no setting here says how it was cut.

    Args:
        rows: of clouds or their files.
        view: how many points are kept.
        report: is told of wrong rows.
        whole: all points are kept, in their order.
    """
    settings = (view.points, view.most, view.columns, view.lift, whole, tuple(rows.rows))
    kept = len(rows) >= _WORTH_KEEPING and rows.files and not isinstance(rows.clouds[0], PlacedCloud)
    cache = CloudCache(rows.files, settings) if kept else None
    found = cache.read() if cache else None
    if found is None:
        wrong = len(report.wrong)
        found = _parse(rows, view, report, whole)
        if cache and len(report.wrong) == wrong:
            cache.write(found)
    _say(rows, found)
    values = np.empty(len(found), dtype=object)
    for row, cloud in enumerate(found):
        values[row] = cloud
    return values


def _say(rows: CloudRows, found: Sequence[PlacedCloud]) -> None:
    """Logs what readers remarked, in one line; what was cut out of clouds has been said when these were read."""
    remarks = Counter(
        remark
        for value, placed in zip(rows.clouds, found, strict=True)
        if not isinstance(value, PlacedCloud)
        for remark in placed.cloud.remarks
    )
    if remarks:
        first = [f"{remark} ({count} of {len(found)} clouds)" for remark, count in remarks.most_common(_REMARKS_SHOWN)]
        more = [f"… ({len(remarks)} remarks in all)"] if len(remarks) > _REMARKS_SHOWN else []
        logger.info("%s: %s", rows.path, "; ".join([*first, *more]))


def _parse(rows: CloudRows, view: CloudView, report: RowReport, whole: bool) -> list[PlacedCloud]:
    found: list[PlacedCloud] = []
    with progress_bar("clouds", len(rows)) as show:
        for start in range(0, len(rows), _AT_ONCE):
            batch = []
            for row in range(start, min(start + _AT_ONCE, len(rows))):
                batch.append(_read(rows, row, view, report, whole))
            found += batch if whole else thin(batch, view.points, view.most)
            show(len(found))
    return found


def _read(rows: CloudRows, row: int, view: CloudView, report: RowReport, whole: bool) -> PlacedCloud:
    """One cloud: all of it, or at once as much of a large one as is put in order, so that few are in memory whole."""
    value = rows.clouds[row]
    if isinstance(value, PlacedCloud):
        return value
    try:
        cloud = read_file(value, view) if isinstance(value, Path) else value
    except InputError as error:
        report.add(row, str(error).removeprefix(f"{value}: "))
        return _NOTHING
    return PlacedCloud.whole(cloud) if whole else reduced(cloud, view.most)


def read_file(path: Path, view: CloudView) -> Cloud:
    """The cloud in a file; the points that are drawn from a mesh depend on what the file holds, not on its name.

    Raises:
        InputError: if it cannot be read.
    """
    with reading(path, "the name of a file"):
        room, mesh = is_room(path), path.suffix.lower() in MESH_SUFFIXES and path.is_file()
        digest = zlib.crc32(path.read_bytes()) if mesh else 0
    if room:
        return read_room(path)
    return read_cloud(path, view.most, np.random.default_rng(digest), view.columns)
