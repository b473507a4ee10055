"""One row of the user's data as arrays."""

import zlib
from dataclasses import dataclass, replace

import numpy as np

LEVELS = ("sample", "token", "pair")
"""What a target is for: a whole sample, each token of it, or pairs of its tokens."""

_OF_TOKENS = ("features", "coordinates", "normals", "encodings", "identifiers", "index", "names", "hidden")
_CONTENT = ("features", "coordinates", "normals", "encodings", "ends", "edge_features")


@dataclass(frozen=True)
class Sample:
    """One row of the user's data: a set of n tokens.

    Args:
        features: codes ``(n,)``, c codes of different kinds ``(n, c)``, or vectors ``(n, f)`` float32.
        target: at the level "sample" a class number ``()`` int64, or ``(t,)`` float32 with NaN where unknown; at the
            levels "token" and "pair" the same for each token or pair asked about, with class −1 where unknown. None:
            not known.
        id: its name in the source.
        source: the raw text, if it was a text.
        level: what the target is for, see `LEVELS`.
        coordinates, normals: place of each token in space and direction of the surface there, ``(n, 3)`` float32.
        encodings: what tells of each token's place in a graph, ``(n, p)`` float32.
        identifiers: random numbers that tell the tokens apart, ``(n, r)`` float32.
        ends: source and target of each edge, ``(E, 2)``; an undirected graph lists each edge once.
        edge_features: what each edge carries, ``(E, f)``.
        directed: whether edges lead from source to target alone.
        pairs: the two tokens of each pair that is asked about, ``(p, 2)``.
        asked: the tokens that are asked about, ``(m,)``. None: all.
        hidden: True where the model must not see what a token carries, ``(n,)``. None: it sees all.
        descriptors: Codes of numbers that describe the whole sample, ``(f,)`` float16. None: there are none.
        index: place of each token in the user's source, ``(n,)``. None: 0, 1, 2, …
        names: name of each token in the user's source, ``(n,)``. None: its place.
    """

    features: np.ndarray
    target: np.ndarray | None
    id: str
    source: str | None = None
    level: str = "sample"
    coordinates: np.ndarray | None = None
    normals: np.ndarray | None = None
    encodings: np.ndarray | None = None
    identifiers: np.ndarray | None = None
    ends: np.ndarray | None = None
    edge_features: np.ndarray | None = None
    directed: bool = False
    pairs: np.ndarray | None = None
    index: np.ndarray | None = None
    names: np.ndarray | None = None
    asked: np.ndarray | None = None
    hidden: np.ndarray | None = None
    descriptors: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.features)

    @property
    def rows(self) -> int:
        """Number of targets of the sample, known or not."""
        if self.level == LEVELS[0]:
            return 1
        if self.pairs is not None:
            return len(self.pairs)
        return len(self) if self.asked is None else len(self.asked)

    @property
    def places(self) -> np.ndarray:
        """Place of each token in the user's source, ``(n,)``."""
        return np.arange(len(self)) if self.index is None else self.index

    def take(self, places: np.ndarray) -> "Sample":
        """Some of the tokens, in the order given; only for samples without edges and pairs.

        Raises:
            ValueError: if there are edges, pairs or single tokens asked about, whose indices would be others.
        """
        if self.ends is not None or self.pairs is not None or self.asked is not None:
            raise ValueError("the sample has edges or pairs, expected tokens alone")
        kept = {name: value[places] for name in _OF_TOKENS if (value := getattr(self, name)) is not None}
        kept["index"] = self.places[places]
        if self.level == "token" and self.target is not None:
            kept["target"] = self.target[places]
        return replace(self, **kept)

    def digest(self) -> int:
        """A number that depends on what the tokens hold and on nothing else: not on name, row or target."""
        digest = 0
        for name in _CONTENT:
            if (value := getattr(self, name)) is not None:
                if name == "ends":  # kept in the smallest type that the largest graph beside it allows
                    value = value.astype(np.uint16 if len(self) < 1 << 16 else np.int64)
                digest = zlib.crc32(np.ascontiguousarray(value).tobytes(), digest)
        return digest
