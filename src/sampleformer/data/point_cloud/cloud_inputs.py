"""Point clouds as tokens."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sampleformer.data.inputs import Inputs
from sampleformer.data.point_cloud.array_rows import read_array_rows
from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.cloud_files import read_cloud_rows
from sampleformer.data.point_cloud.cloud_memory import cloud_rows_of, is_cloud
from sampleformer.data.point_cloud.cloud_parsing import parse_clouds, read_file
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.cutting import Cutting
from sampleformer.data.point_cloud.normalisation import unit_sphere
from sampleformer.data.point_cloud.placed_cloud import PlacedCloud
from sampleformer.data.point_cloud.point_labels import PointLabels
from sampleformer.data.point_cloud.reading import SET_SUFFIXES, SUFFIXES
from sampleformer.data.point_cloud.resampling import random_subset
from sampleformer.data.point_cloud.view import CloudView
from sampleformer.data.samples import TargetRows
from sampleformer.data.token_sets import TokenSets
from sampleformer.sample import Sample
from sampleformer.settings import construct, validate
from sampleformer.tables.format import TableFormat
from sampleformer.tables.report import RowReport
from sampleformer.tables.standardisation import Moments, too_far
from sampleformer.tables.values import LARGEST
from sampleformer.tasks import Contents
from sampleformer.wording import count

if TYPE_CHECKING:
    from sampleformer.tables.table import Table
    from sampleformer.tasks import Task


class CloudInputs(Inputs, kind="cloud"):
    """Point clouds: a token is a point, with coordinates, perhaps a normal, perhaps features, which are standardised.

    Args:
        view: what the model sees.
        normals: whether it sees normals.
        mean, deviation: of each feature over the points of the training part.
        column: column with the paths, if the clouds are listed in a table.
        cutting: how clouds are cut so that every point gets an answer; None: answers are for whole clouds.
        labels: what the labels of points are called.
    """

    unit = "point"
    prepares = True
    file_suffixes = SUFFIXES
    view_settings = frozenset({"points", "stored", "evaluation_rotation", "up"})

    def __init__(
        self,
        view: CloudView,
        normals: bool,
        mean: Sequence[float] = (),
        deviation: Sequence[float] = (),
        column: str | None = None,
        cutting: Cutting | None = None,
        labels: PointLabels | None = None,
    ) -> None:
        self.view = view
        self.normals = normals
        self.mean = np.asarray(mean, np.float64)
        self.deviation = np.asarray(deviation, np.float64)
        self.column = column
        self.cutting = cutting
        self.labels = labels or PointLabels()

    @classmethod
    def learn(cls, view: CloudView, clouds: Iterable[PlacedCloud], **others: Any) -> CloudInputs:
        """What the clouds of the training part teach: whether there are normals, and the scale of the features.

        Args:
            view: What the model sees.
            clouds: Clouds, which are gone through twice if they have features.
            others: Further arguments of the constructor.
        """
        have_normals = True
        counts: Counter[int] = Counter()
        moments: dict[int, Moments] = {}
        for each in clouds:
            have_normals &= each.cloud.normals is not None
            features = _features(each.cloud, view)
            width = features.shape[1]
            counts[width] += 1
            moments.setdefault(width, Moments(width)).bound(features)
        width = counts.most_common(1)[0][0]  # others are wrong rows
        for each in clouds if width else ():
            if (features := _features(each.cloud, view)).shape[1] == width:
                moments[width].add(features)
        normals = have_normals if view.normals is None else view.normals
        return cls(view, normals, moments[width].mean.tolist(), moments[width].deviation.tolist(), **others)

    @property
    def model_inputs(self) -> dict[str, Any]:
        return {"features": len(self.mean), "normals": self.normals, "identifiers": self.view.identifiers}

    def read(
        self, path: str | os.PathLike[str], on_error: str, format: TableFormat, rows: int | None = None
    ) -> Iterator[CloudRows]:
        yield self._cut(read_cloud_rows(Path(path), self.column, on_error, self.view, format), on_error)

    def given(self, samples: Any, rows: int | None = None) -> Iterator[CloudRows]:
        yield self._cut(cloud_rows_of(samples, normals=self.normals), "stop")

    @property
    def value_schema(self) -> dict[str, Any]:
        width = 3 + 3 * self.normals + len(self.mean)
        number = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
        point = {"type": "array", "items": number, "minItems": width, "maxItems": width}
        return {"type": "array", "items": point, "minItems": 1, "description": "Points, a row of numbers each."}

    def samples_in(self, path: Path, format: TableFormat, most: int) -> list[tuple[str, Any]]:
        if path.suffix.lower() not in SET_SUFFIXES:
            return [("", read_file(path, self.view))]
        clouds = read_array_rows([path], self.view.columns, lift=self.view.lift).clouds
        return [(f"cloud {place}" if len(clouds) > 1 else "", cloud) for place, cloud in enumerate(clouds)]

    def is_one(self, value: Any) -> bool:
        return is_cloud(value)

    def _cut(self, found: CloudRows, on_error: str) -> CloudRows:
        """Rows of whole clouds, or of the parts that they are cut into."""
        if self.cutting is not None:
            report = RowReport(found.path, found.place, on_error)
            clouds = parse_clouds(found, self.view, report, whole=True)
            report.log()
            kept = report.kept(len(found))
            found = self.cutting.rows(found, clouds.tolist(), kept, self.view.points, training=False)
        return found

    def with_learnt(self, other: Inputs) -> CloudInputs:
        self._alike(other)
        assert isinstance(other, CloudInputs)
        learnt = (other.normals, other.mean.tolist(), other.deviation.tolist())
        return CloudInputs(self.view, *learnt, self.column, self.cutting, self.labels)

    @property
    def contents(self) -> Contents:
        return Contents(columns=list("xyz"), places=True)

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        assert isinstance(table, CloudRows)
        return parse_clouds(table, self.view, report, whole=self.cutting is not None)

    def encode(self, values: np.ndarray, report: RowReport) -> TokenSets:
        return TokenSets.of([self._encoded(row, placed, report) for row, placed in enumerate(values)])

    def target_rows(self, table: Table, sets: TokenSets, task: Task, on_error: str, *, known: bool) -> TargetRows:
        assert isinstance(table, CloudRows)
        if not known:
            return TargetRows(None, sets.offsets)
        report = RowReport(table.path, table.place, on_error)
        labels = self.labels.encode(table, task, report)
        report.log()
        return TargetRows(labels, sets.offsets)

    def _encoded(self, row: int, placed: PlacedCloud, report: RowReport) -> Sample:
        cloud, problem = placed.cloud, self._misfit(placed.cloud)
        if problem:
            report.add(row, problem)
            cloud = Cloud(cloud.points, np.zeros_like(cloud.points), np.zeros((len(cloud), len(self.mean)), np.float32))
        if self.view.normalise == "sphere":
            cloud = unit_sphere(cloud)
        features = ((_features(cloud, self.view) - self.mean) / self.deviation).astype(np.float32)
        normals = cloud.normals if self.normals else None
        index = placed.index.astype(np.int32)
        return Sample(features, None, "", coordinates=cloud.points, normals=normals, index=index)

    def _misfit(self, cloud: Cloud) -> str | None:
        found = _features(cloud, self.view).shape[1]
        if found != len(self.mean):
            return (
                f"found {count(found, 'feature')} a point beside coordinates and normals, expected {len(self.mean)}, "
                "as in training; convert the files to one kind, train with --set data.point_features=false to see "
                "neither colours nor intensity, or leave such files out with --on-error skip"
            )
        if self.normals and cloud.normals is None:
            return "found no normals, expected them as in training (or give normals: false)"
        for point, place, problem in too_far(_features(cloud, self.view), self.mean, self.deviation):
            return f"feature {place} of point {point}: {problem}"
        return None

    def prepare(self, sample: Sample, random: np.random.Generator, *, training: bool) -> Sample:
        """Random ones of the stored points in training, the first ones in evaluation; turned, disturbed, identified."""
        count = min(self.view.points, len(sample))
        if training:
            places = random_subset(len(sample), count, random)
            if self.view.dropout:
                kept = random.random(count) >= self.view.dropout
                places = places[kept] if kept.any() else places[:1]
            sample = sample.take(places)
        elif count < len(sample):
            sample = sample.take(np.arange(count))
        assert sample.coordinates is not None
        changed = self.view.augmentation(training=training)(Cloud(sample.coordinates, sample.normals), random)
        identifiers = None
        if self.view.identifiers:
            identifiers = random.standard_normal((len(sample), self.view.identifiers), dtype=np.float32)
        return replace(sample, coordinates=changed.points, normals=changed.normals, identifiers=identifiers)

    def size_of(self, tokens: np.ndarray, edges: np.ndarray) -> np.ndarray:
        return np.minimum(tokens, self.view.points)

    def pieces(self, sample: Sample) -> list[str]:
        return [str(place) for place in sample.places.tolist()]

    def to_json(self) -> dict[str, Any]:
        return {
            "view": self.view.model_dump(mode="json"),
            "normals": self.normals,
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
            "column": self.column,
            "cutting": None if self.cutting is None else self.cutting.model_dump(mode="json"),
            "labels": self.labels.to_json(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> CloudInputs:
        cutting = values.pop("cutting")
        parts = {
            "view": validate(CloudView, values.pop("view"), "inputs.view"),
            "cutting": None if cutting is None else validate(Cutting, cutting, "inputs.cutting"),
            "labels": construct(PointLabels, {"names": values.pop("labels")}, "inputs.labels"),
        }
        return construct(cls, values, "inputs", **parts)


def _features(cloud: Cloud, view: CloudView) -> np.ndarray:
    seen = cloud.features if view.point_features else None
    return np.zeros((len(cloud), 0), np.float32) if seen is None else seen
