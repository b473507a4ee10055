"""Small sources of data, for models."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sampleformer.data.encoding import Encoding
from sampleformer.data.inputs import Inputs
from sampleformer.data.samples import TargetRows
from sampleformer.data.source import Source, Splits
from sampleformer.data.token_sets import TokenSets
from sampleformer.sample import Sample
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table
from sampleformer.tasks import Classification


class SmallInputs(Inputs, kind="small test samples"):
    """Samples that are there; what they are prepared with is remembered."""

    prepares = True

    def __init__(self, said: dict[str, Any]) -> None:
        self.said = said
        self.asked: list[tuple[int, float]] = []
        """The target and the first number drawn, each time that training asked for a sample."""
        self.evaluated = 0

    @property
    def model_inputs(self) -> dict[str, Any]:
        return self.said

    def prepare(self, sample: Sample, random: np.random.Generator, *, training: bool) -> Sample:
        if training:
            self.asked.append((int(sample.target), float(random.random())))  # type: ignore[arg-type]
        else:
            self.evaluated += 1
        return sample

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        raise NotImplementedError

    def encode(self, values: np.ndarray, report: RowReport) -> TokenSets:
        raise NotImplementedError

    def pieces(self, sample: Sample) -> list[str]:
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        return {"said": self.said}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> SmallInputs:
        return cls(values["said"])


class SmallSource(Source):
    """Samples of classes 0 and 1 in turn: 16 for training, 8 for validation, 8 for test."""

    said: ClassVar[dict[str, Any]]

    def __init__(self, train: int = 16, level: str = "sample") -> None:
        self.train = train
        self.level = level
        self.inputs = SmallInputs(self.said)

    def sample(self, kind: int, random: np.random.Generator) -> Sample:
        """One sample of a class."""
        raise NotImplementedError

    def load(self) -> Splits:
        encoding = Encoding(self.inputs, Classification("kind", ["0", "1"], self.level))
        random, parts = np.random.default_rng(0), []
        for count in (self.train, 8, 8):
            sets = TokenSets.of([self.sample(row % 2, random) for row in range(count)])
            targets = np.arange(count) % 2
            rows = targets if self.level == "sample" else TargetRows(np.zeros(sets.offsets[-1], np.int64), sets.offsets)
            parts.append(encoding.pack(sets, rows, [str(row) for row in range(count)]))
        return Splits(*parts, encoding)


class SmallClouds(SmallSource):
    """Balls of 12 points, and rods."""

    said: ClassVar[dict[str, Any]] = {"features": 0, "normals": False}

    def __init__(self, train: int = 16, level: str = "sample", unequal: bool = False) -> None:
        super().__init__(train, level)
        self.unequal = unequal

    def sample(self, kind: int, random: np.random.Generator) -> Sample:
        points = random.normal(size=(12 + (self.unequal and kind), 3)).astype(np.float32)
        points[:, 1:] *= 1 - kind
        return Sample(np.zeros((len(points), 0), np.float32), None, "", coordinates=points)


class SmallGraphs(SmallSource):
    """Rings of 6 nodes, and the same without half of the edges; edges carry nothing, nodes the number 1."""

    said: ClassVar[dict[str, Any]] = {"features": 1, "edge_features": 0}

    def sample(self, kind: int, random: np.random.Generator) -> Sample:
        ends = np.stack([np.arange(6), (np.arange(6) + 1) % 6], axis=1)[: 6 - 3 * kind]
        return Sample(np.ones((6, 1), np.float32), None, "", ends=ends)
