"""What tells the nodes of a graph apart beside what they carry."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.data.cache import cache_folder, make_folder
from sampleformer.data.graph.encodings import laplacian_encodings, random_walk_encodings
from sampleformer.data.graph.graph import Graph
from sampleformer.data.progress import progress_bar
from sampleformer.errors import InputError
from sampleformer.files import written_whole
from sampleformer.sample import Sample

MOST_NUMBERS = 4096
"""Numbers that tell of the place of a node, of each kind: more than any model is wide."""
_FORMAT = 1  # counts up when the numbers change, so that older files in the cache are not read


@dataclass(frozen=True)
class Places:
    """Random identifiers, drawn anew at each pass, and encodings of each node's place in its graph.

    Args:
        identifiers: random numbers of each node; 0: none.
        laplacian: eigenvectors of the Laplacian, see `laplacian_encodings`. Their signs mean nothing, and are drawn
            anew at each pass of training.
        random_walk: steps of a random walk, see `random_walk_encodings`.

    Raises:
        InputError: if a number is negative, or more than `MOST_NUMBERS`.
    """

    identifiers: int = 32
    laplacian: int = 0
    random_walk: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value <= MOST_NUMBERS:
                raise InputError(f"{name}: found {value:,}, expected 0 to {MOST_NUMBERS:,}")

    @property
    def model_inputs(self) -> dict[str, Any]:
        """What the embedding must know."""
        return {"encodings": self.laplacian + self.random_walk, "identifiers": self.identifiers}

    def encodings(self, graphs: Sequence[Graph]) -> np.ndarray | None:
        """Encodings of all nodes, ``(total, p)`` float32, from the cache if they are there; None: there are none."""
        if not self.laplacian + self.random_walk:
            return None
        if not graphs:
            return np.zeros((0, self.laplacian + self.random_walk), np.float32)
        path = self._cached(graphs)
        if path.exists():
            return np.load(path)
        rows = []
        with progress_bar("encodings", len(graphs)) as show:
            for number, graph in enumerate(graphs, start=1):
                rows.append(self._of_one(graph))
                show(number)
        found = np.concatenate(rows)
        make_folder(path.parent)
        with written_whole(path) as part, part.open("wb") as file:
            np.save(file, found)
        return found

    def _of_one(self, graph: Graph) -> np.ndarray:
        parts = [laplacian_encodings(graph, self.laplacian), random_walk_encodings(graph, self.random_walk)]
        return np.concatenate(parts, axis=1)

    def _cached(self, graphs: Sequence[Graph]) -> Path:
        digest = hashlib.sha256(repr((_FORMAT, self.laplacian, self.random_walk)).encode())
        for graph in graphs:
            digest.update(np.array([graph.order, graph.size, graph.directed], dtype=np.int64).tobytes())
            digest.update(graph.ends.astype(np.int64).tobytes())
        return cache_folder() / "encodings" / f"{digest.hexdigest()[:32]}.npy"

    def prepare(self, sample: Sample, random: np.random.Generator, *, training: bool) -> Sample:
        """The sample with identifiers, and in training with other signs of the eigenvectors."""
        changes: dict[str, np.ndarray] = {}
        if self.identifiers:
            changes["identifiers"] = random.standard_normal((len(sample), self.identifiers), dtype=np.float32)
        if training and self.laplacian and sample.encodings is not None:
            signs = np.ones(sample.encodings.shape[1], dtype=np.float32)
            signs[: self.laplacian] = random.choice([-1, 1], self.laplacian)
            changes["encodings"] = sample.encodings * signs
        return replace(sample, **changes) if changes else sample  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return asdict(self)
