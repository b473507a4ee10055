"""Numbers of graphs and of their nodes."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from sampleformer.compare.features.parts import Parts, dense_parts, moments
from sampleformer.data.source import Splits
from sampleformer.sample import Sample

_DEGREES = 8
_MOST_CODES = 256  # of one vocabulary that are told apart
_KINDS = 512  # of neighbourhoods, by a hash
_NODES_OF_MOTIFS = 3000  # above, triangles are not counted: they take the cube of the degree


def graph_parts(splits: Splits) -> Parts:
    """`graph_numbers` of each graph."""
    sizes = code_sizes(splits)
    return dense_parts(splits, lambda sample: graph_numbers(sample, sizes))


def node_parts(splits: Splits) -> Parts:
    """`node_numbers` of each node that is asked about."""
    sizes = code_sizes(splits)

    def numbers(sample: Sample) -> np.ndarray:
        found = node_numbers(sample, sizes)
        return found if sample.asked is None else found[sample.asked]

    return dense_parts(splits, numbers)


def pair_parts(splits: Splits) -> Parts:
    """`pair_numbers` of each pair of nodes that is asked about."""
    return dense_parts(splits, pair_numbers)


def code_sizes(splits: Splits) -> list[int]:
    """Number of codes of each kind that nodes carry; none if they carry numbers."""
    return [int(size) for size in splits.encoding.model_inputs.get("vocabularies") or ()]


def carried(sample: Sample, sizes: Sequence[int]) -> np.ndarray:
    """What nodes carry as numbers: codes as 0 and 1 in columns, ``(n, f)``.

    Args:
        sample: A graph.
        sizes: Number of codes of each kind; none: nodes carry numbers.

    Example:
        >>> carried(Sample(np.array([[1], [0]]), None, ""), [2]).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    if not sizes:
        return sample.features.reshape(len(sample), -1).astype(np.float64)
    codes = sample.features.reshape(len(sample), -1).astype(np.int64)
    columns = [np.eye(min(size, _MOST_CODES))[codes[:, kind] % _MOST_CODES] for kind, size in enumerate(sizes)]
    return np.concatenate(columns, axis=1)


def graph_numbers(sample: Sample, sizes: Sequence[int] = ()) -> np.ndarray:
    """Size, degrees, motifs, moments of what nodes and edges carry, and counts of neighbourhoods, ``(f,)``.

    Args:
        sample: A graph.
        sizes: Number of codes of each kind that nodes carry; none: they carry numbers.
    """
    ends = _ends(sample)
    degrees = np.bincount(ends.ravel(), minlength=len(sample)).astype(np.float64)
    nodes = carried(sample, sizes)
    parts = [
        [len(sample), len(ends), len(ends) / max(1, len(sample))],
        moments(degrees[:, None]),
        np.bincount(np.minimum(degrees, _DEGREES).astype(np.int64), minlength=_DEGREES + 1)[: _DEGREES + 1],
        motifs(ends, degrees),
        nodes.sum(axis=0) if sizes else moments(nodes),
        _kinds(sample, ends, degrees, exact=bool(sizes)),
    ]
    for more in (sample.edge_features, sample.encodings):
        if more is not None and more.shape[1]:
            parts.append(moments(more.astype(np.float64)))
    return np.concatenate(parts)


def motifs(ends: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Triangles, paths of two edges, their ratio (how closed they are), and edges between nodes of equal degree.

    Args:
        ends: Of edges, each once, ``(E, 2)``.
        degrees: Of nodes, ``(n,)``.

    Example:
        >>> motifs(np.array([[0, 1], [1, 2], [0, 2]]), np.array([2.0, 2.0, 2.0])).tolist()
        [1.0, 3.0, 1.0, 3.0]
    """
    paths = float((degrees * (degrees - 1)).sum() / 2)
    triangles = 0.0
    if len(degrees) <= _NODES_OF_MOTIFS and len(ends):
        near: list[set[int]] = [set() for _ in degrees]
        for first, second in ends.tolist():
            near[first].add(second)
            near[second].add(first)
        triangles = sum(len(near[first] & near[second]) for first, second in ends.tolist()) / 3
    alike = float((degrees[ends[:, 0]] == degrees[ends[:, 1]]).sum())
    return np.array([triangles, paths, 3 * triangles / max(1.0, paths), alike])


def _kinds(sample: Sample, ends: np.ndarray, degrees: np.ndarray, *, exact: bool) -> np.ndarray:
    """Counts of nodes with neighbourhoods of one and two edges, by a hash: the subtrees of Weisfeiler and Lehman."""
    carried = sample.features if exact else degrees[:, None]
    labels = [zlib.crc32(np.ascontiguousarray(row, dtype=np.int64).tobytes()) for row in carried.astype(np.int64)]
    counts = np.zeros(_KINDS)
    for _ in range(2):
        near: list[list[int]] = [[] for _ in labels]
        for first, second in ends.tolist():
            near[first].append(labels[second])
            near[second].append(labels[first])
        labels = [zlib.crc32(repr((own, sorted(each))).encode()) for own, each in zip(labels, near, strict=True)]
        counts += np.bincount(np.array(labels, dtype=np.int64) % _KINDS, minlength=_KINDS)
    return counts


def node_numbers(sample: Sample, sizes: Sequence[int] = ()) -> np.ndarray:
    """What nodes carry, its means over neighbours and over their neighbours, and degrees, ``(n, f)``.

    Args:
        sample: A graph.
        sizes: Number of codes of each kind that nodes carry; none: they carry numbers.
    """
    ends = _ends(sample)
    degrees = np.bincount(ends.ravel(), minlength=len(sample)).astype(np.float64)
    own = carried(sample, sizes)
    near = _neighbour_means(own, ends, degrees)
    parts = [own, near, _neighbour_means(near, ends, degrees), np.log1p(degrees)[:, None]]
    if sample.encodings is not None:
        parts.append(sample.encodings.astype(np.float64))
    return np.concatenate(parts, axis=1)


def _neighbour_means(values: np.ndarray, ends: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    sums = np.zeros_like(values)
    np.add.at(sums, ends[:, 0], values[ends[:, 1]])
    np.add.at(sums, ends[:, 1], values[ends[:, 0]])
    return sums / np.maximum(degrees, 1)[:, None]


def pair_numbers(sample: Sample) -> np.ndarray:
    """Common neighbours, indices made of them, and the degrees of each pair that is asked about, ``(pairs, 6)``."""
    assert sample.pairs is not None
    near: list[set[int]] = [set() for _ in range(len(sample))]
    for first, second in _ends(sample).tolist():
        near[first].add(second)
        near[second].add(first)
    rows = []
    for first, second in sample.pairs.tolist():
        common, every = near[first] & near[second], near[first] | near[second]
        rarity = sum(1 / np.log(max(2, len(near[node]))) for node in common)
        degrees = sorted([len(near[first]), len(near[second])])
        product = np.log1p(degrees[0] * degrees[1])
        rows.append([len(common), len(common) / max(1, len(every)), rarity, product, *degrees])
    return np.array(rows, dtype=np.float64).reshape(-1, 6)


def _ends(sample: Sample) -> np.ndarray:
    """Ends of the edges without loops, ``(E, 2)`` int64."""
    assert sample.ends is not None
    ends = sample.ends.astype(np.int64)
    return ends[ends[:, 0] != ends[:, 1]]
