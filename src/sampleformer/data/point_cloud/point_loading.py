"""From clouds whose points have labels to samples in three parts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sampleformer.data.descriptors.columns import check_undescribed
from sampleformer.data.encoding import Encoding
from sampleformer.data.point_cloud.cloud_folders import FOLDER
from sampleformer.data.point_cloud.cloud_inputs import CloudInputs
from sampleformer.data.point_cloud.cloud_parsing import parse_clouds
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.placed_cloud import PlacedCloud
from sampleformer.data.row_names import scene_ids
from sampleformer.data.samples import Samples, TargetRows
from sampleformer.data.source import Splits
from sampleformer.data.split import PERIOD, choose, split_tenths, strata_of
from sampleformer.data.split_columns import rows_of_splits
from sampleformer.errors import InputError
from sampleformer.tables.report import RowReport
from sampleformer.tasks import PartSegmentation, Segmentation
from sampleformer.tasks.classification import categories_of, sort_labels
from sampleformer.wording import count

if TYPE_CHECKING:
    from sampleformer.data.point_cloud.cloud_source import CloudSource

logger = logging.getLogger("sampleformer")


@dataclass(frozen=True)
class _Clouds:
    """Clouds in memory, those that are not wrong."""

    rows: CloudRows
    clouds: list[PlacedCloud]

    def __len__(self) -> int:
        return len(self.clouds)

    def take(self, places: np.ndarray) -> _Clouds:
        return _Clouds(self.rows.take(places), [self.clouds[place] for place in places.tolist()])


class PointLoading:
    """One reading of clouds with labels of points.

    Training draws some points of each cloud, or of each column of a scene; validation and test have all points, see
    `Cutting`.

    Args:
        source: says what to read and how.
        rows: the clouds, or their files.
    """

    def __init__(self, source: CloudSource, rows: CloudRows) -> None:
        self.source = source
        check_undescribed(source.descriptors)
        self.rows = rows
        self.skipped = 0

    def splits(self) -> Splits:
        """Splits the clouds, learns the encoding on the training part, and encodes all."""
        parts = {name: self._limited(part) for name, part in self._parts().items()}
        for name, part in parts.items():
            if not len(part):
                raise InputError(f"{part.rows.path}: found no clouds for {name}, expected at least one")
            self.source.point_labels.check(part.rows, part.clouds)
        cut = {name: self._cut(part, training=name == "train") for name, part in parts.items()}
        task = self._task(parts["train"])
        inputs = CloudInputs.learn(
            self.source.view,
            cut["train"].clouds,  # type: ignore[arg-type]
            column=self.source.column,
            cutting=self.source.cutting,
            labels=self.source.point_labels,
        )
        encoding = Encoding(self.source.taken_over(inputs), task, self.source.id, self.source.table_format)
        samples = {name: self._samples(part, encoding) for name, part in cut.items()}
        sizes = ", ".join(f"{len(part)} {name}" for name, part in parts.items())
        how = f"{task.name} ({self.source.task_reason}), classes of points"
        logger.info("%s: task %s: %s; clouds: %s", self.rows.path, how, encoding.words, sizes)
        return Splits(samples["train"], samples["valid"], samples["test"], encoding, self.skipped)

    def _parse(self, rows: CloudRows) -> _Clouds:
        report = RowReport(rows.path, rows.place, self.source.on_error)
        values = parse_clouds(rows, self.source.view, report, whole=True)
        for row, placed in enumerate(values):
            if row not in report.wrong and placed.cloud.labels is None:
                report.add(row, "found no labels of points, expected one for each (name the column of them: label)")
        report.log()
        self.skipped += report.skipped
        scene_ids(rows, self.source.id)  # refuses two clouds of one name before anything is cut
        kept = report.kept(len(rows))
        return _Clouds(rows.take(kept), [values[row] for row in kept.tolist()])

    def _parts(self) -> dict[str, _Clouds]:
        rest = self._parse(self.rows)
        given = {"valid": self.source.valid, "test": self.source.test}
        columns = {name: where for name, where in given.items() if where is not None and where in self.rows.columns}
        parts = {
            name: self._parse(self.source.read_part(where))
            for name, where in given.items()
            if where is not None and name not in columns
        }
        if columns:
            files = {name: where for name, where in given.items() if name in parts and where is not None}
            found = rows_of_splits(rest.rows, np.arange(len(rest)), columns, files)
            parts |= {name: rest.take(places) for name, places in found.items() if name != "train"}
            rest = rest.take(found["train"])
        missing = [name for name in given if name not in parts]
        if missing:
            if len(rest) < PERIOD:
                raise InputError(
                    f"{self.rows.path}: found {count(len(rest), 'cloud')}, expected at least {PERIOD} to split off a "
                    f"tenth for {' and '.join(missing)} (or give them as other paths)"
                )
            *tenths, left = split_tenths(_strata(rest.rows), len(missing), self.source.seed)
            parts |= {name: rest.take(places) for name, places in zip(missing, tenths, strict=True)}
            rest = rest.take(left)
        return {"train": rest, "valid": parts["valid"], "test": parts["test"]}

    def _limited(self, part: _Clouds) -> _Clouds:
        if self.source.limit is None:
            return part
        return part.take(choose(_strata(part.rows), self.source.limit, self.source.seed))

    def _cut(self, part: _Clouds, *, training: bool) -> CloudRows:
        kept = np.arange(len(part))
        return self.source.cutting.rows(part.rows, part.clouds, kept, self.source.view.points, training=training)

    def _task(self, train: _Clouds) -> Segmentation:
        labels = self.source.point_labels
        names = labels.names or sort_labels(labels.found(train.clouds))
        if len(names) < 2:
            raise InputError(
                f"{train.rows.path}: found the labels {names} of points in the training part, expected two"
            )
        if self.source.categories is not None:
            return PartSegmentation(self.source.labels[0], names, self.source.categories)
        folders = train.rows.categories or train.rows.columns.get(FOLDER)
        if self.source.parts is not False and folders is not None:
            categories = categories_of([labels.found([each]) for each in train.clouds], [str(each) for each in folders])
            if categories is not None:
                return PartSegmentation(self.source.labels[0], names, categories)
        if self.source.parts:
            raise InputError(f"{train.rows.path}: parts: expected several folders whose shapes share no label")
        return Segmentation(self.source.labels[0], names)

    def _samples(self, rows: CloudRows, encoding: Encoding) -> Samples:
        report = RowReport(rows.path, rows.place, self.source.on_error)
        values = np.empty(len(rows), dtype=object)
        values[:] = rows.clouds
        sets = encoding.inputs.encode(values, report)
        targets = TargetRows(self.source.point_labels.encode(rows, encoding.task, report), sets.offsets)
        samples = encoding.pack(sets, targets, scene_ids(rows, self.source.id)).subset(report.kept(len(rows)))
        report.log()
        self.skipped += report.skipped
        return samples


def _strata(rows: CloudRows) -> np.ndarray:
    """What clouds are stratified by: their folder, if they lie in several."""
    return strata_of(np.array([str(each) for each in rows.columns.get(FOLDER, [""] * len(rows))]))
