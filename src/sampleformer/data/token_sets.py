"""Many token sets in few arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampleformer.sample import Sample

OF_TOKENS = ("features", "coordinates", "normals", "encodings", "index", "names")
"""Arrays with an entry for each token."""
OF_EDGES = ("ends", "edge_features")
"""Arrays with an entry for each edge."""


@dataclass(frozen=True)
class TokenSets:
    """What many token sets hold, one after the other, so that they load fast and take little memory.

    Args:
        features: ``(total,)`` of a small integer type, or ``(total, f)``, see `Sample`.
        offsets: ``(sets + 1,)``: set i has the tokens from offsets[i] to offsets[i + 1].
        sources: raw text of each set, if they are texts.
        coordinates, normals, encodings, index, names: of all tokens, see `Sample`.
        ends, edge_features: of all edges.
        descriptors: codes of the descriptors of each set, ``(sets, f)`` float16.
        edge_offsets: ``(sets + 1,)``: the same of edges; given if there are ends.
        directed: whether edges lead from source to target alone.

    Example:
        >>> sets = TokenSets(np.array([7, 8, 9]), np.array([0, 2, 3]))
        >>> sets.arguments(0)["features"]
        array([7, 8])
    """

    features: np.ndarray
    offsets: np.ndarray
    sources: Sequence[str] | None = None
    coordinates: np.ndarray | None = None
    normals: np.ndarray | None = None
    encodings: np.ndarray | None = None
    index: np.ndarray | None = None
    names: np.ndarray | None = None
    ends: np.ndarray | None = None
    edge_features: np.ndarray | None = None
    edge_offsets: np.ndarray | None = None
    directed: bool = False
    descriptors: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each set, ``(sets,)`` int64."""
        return np.diff(self.offsets).astype(np.int64)

    @property
    def edges(self) -> np.ndarray:
        """Number of edges of each set, ``(sets,)`` int64."""
        if self.edge_offsets is None:
            return np.zeros(len(self), dtype=np.int64)
        return np.diff(self.edge_offsets).astype(np.int64)

    def arguments(self, row: int) -> dict[str, Any]:
        """What one set holds, as arguments of `Sample`."""
        start, stop = self.offsets[row], self.offsets[row + 1]
        held = {name: value[start:stop] for name in OF_TOKENS if (value := getattr(self, name)) is not None}
        if self.edge_offsets is not None:
            start, stop = self.edge_offsets[row], self.edge_offsets[row + 1]
            held |= {name: value[start:stop] for name in OF_EDGES if (value := getattr(self, name)) is not None}
        if self.sources is not None:
            held["source"] = self.sources[row]
        if self.descriptors is not None:
            held["descriptors"] = self.descriptors[row]
        return held | {"directed": self.directed}

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> TokenSets:
        """Packs what samples hold; all have the same fields.

        Raises:
            ValueError: if there are no samples, or some have a field that others lack.
        """
        if not samples:
            raise ValueError("found no samples, expected at least one")
        packed: dict[str, Any] = {"offsets": _offsets([len(sample) for sample in samples])}
        for name in (*OF_TOKENS, *OF_EDGES):
            values = [value for sample in samples if (value := getattr(sample, name)) is not None]
            if values and len(values) < len(samples):
                raise ValueError(f"{len(values)} of {len(samples)} samples have {name}, expected all or none")
            packed[name] = np.concatenate(values) if values else None
        if samples[0].ends is not None:
            packed["edge_offsets"] = _offsets([len(sample.ends) for sample in samples if sample.ends is not None])
        if samples[0].source is not None:
            packed["sources"] = [sample.source for sample in samples]
        if samples[0].descriptors is not None:
            packed["descriptors"] = np.stack([each.descriptors for each in samples if each.descriptors is not None])
        return cls(**packed, directed=any(sample.directed for sample in samples))


def _offsets(counts: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
