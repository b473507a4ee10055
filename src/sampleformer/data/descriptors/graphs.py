"""Descriptors of graphs: statistics of degrees and motifs, and counts of the neighbourhoods that occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sampleformer.data.descriptors.base import Descriptor, within
from sampleformer.data.graph.raw_graph import RawGraph
from sampleformer.extras import require
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table

_DEGREES = 10
_SQUARES_OF = 20_000  # nodes; the paths of two edges of a larger graph may not fit into memory


class GraphStatistics(Descriptor):
    """Size, degrees, components, triangles, squares and clustering of a graph, and means of what its nodes carry.

    Args:
        carried: Numbers that each node carries, once learnt from the first graph.
    """

    name = "statistics"
    takes = RawGraph
    of = "graphs"

    def __init__(self, carried: int = 0) -> None:
        self.carried = within("carried", carried, 0)

    def learn(self, table: Table, inputs: Sequence[str]) -> GraphStatistics:
        graphs = getattr(table, "graphs", [])
        return GraphStatistics(graphs[0].numbers.shape[1] if len(graphs) else 0)

    @property
    def names(self) -> list[str]:
        degrees = [f"share of nodes of degree {number}" for number in range(_DEGREES)]
        carried = [f"{word} of feature {place}" for word in ("mean", "deviation") for place in range(self.carried)]
        return [*_STATISTICS, *degrees, f"share of nodes of degree {_DEGREES} or more", *carried]

    def measure(self, values: Sequence[Any] | np.ndarray, table: Table, report: RowReport) -> np.ndarray:
        found = np.full((len(values), len(self.names)), np.nan)
        for row, graph in enumerate(values):
            if graph.order and graph.numbers.shape[1] == self.carried:
                numbers = graph.numbers.astype(np.float64)
                found[row] = [*_statistics(graph.order, graph.ends), *numbers.mean(axis=0), *numbers.std(axis=0)]
        return found

    def to_json(self) -> dict[str, Any]:
        return {"carried": self.carried}


class NeighbourhoodCounts(Descriptor):
    """Counts of the neighbourhoods of a graph's nodes, hashed: the subtrees of the Weisfeiler-Lehman kernel.

    ``c_0(i)`` is what node i carries (categories; its degree where it carries none), and
    ``c_(t+1)(i) = hash(c_t(i), {(c_t(j), what the edge carries) for each neighbour j})``.

    Args:
        iterations: Radius of the largest neighbourhood. At least 0.
        size: Number of counts of each radius. At least 1.

    Source: Shervashidze et al. 2011, Weisfeiler-Lehman graph kernels, section 4.2.
    """

    name = "neighbourhoods"
    takes = RawGraph
    of = "graphs"

    def __init__(self, iterations: int = 2, size: int = 512) -> None:
        self.iterations = within("iterations", iterations, 0)
        self.size = within("size", size, 1)

    @property
    def names(self) -> list[str]:
        return [
            f"neighbourhood {number} of radius {radius}"
            for radius in range(self.iterations + 1)
            for number in range(self.size)
        ]

    def measure(self, values: Sequence[Any] | np.ndarray, table: Table, report: RowReport) -> np.ndarray:
        found = np.zeros((len(values), self.iterations + 1, self.size), np.float32)
        for row, graph in enumerate(values):
            for radius, colours in enumerate(_colours(graph, self.iterations)):
                found[row, radius] = np.bincount((colours % np.uint64(self.size)).astype(np.int64), minlength=self.size)
        return found.reshape(len(values), -1)

    def to_json(self) -> dict[str, Any]:
        return {"iterations": self.iterations, "size": self.size}


_STATISTICS = (
    "nodes", "edges", "mean degree", "deviation of degrees", "largest degree", "density", "components",
    "independent cycles", "triangles", "squares", "clustering",
)  # fmt: skip


def _statistics(nodes: int, ends: np.ndarray) -> list[float]:
    """Statistics of a graph whose edges lead both ways; loops and edges that stand twice do not count."""
    sparse = require("scipy.sparse", "graph")
    ends = ends[ends[:, 0] != ends[:, 1]].astype(np.int64)
    both = np.concatenate([ends, ends[:, ::-1]])
    joined = sparse.csr_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(nodes, nodes))
    joined.sum_duplicates()
    joined.data[:] = 1
    degrees = np.diff(joined.indptr)
    edges = int(degrees.sum()) // 2
    components = int(require("scipy.sparse.csgraph", "graph").connected_components(joined, directed=False)[0])
    triangles = squares = np.nan
    wedges = float((degrees * (degrees - 1.0)).sum() / 2)
    if nodes <= _SQUARES_OF:
        paths = joined @ joined
        triangles = float((paths * joined).sum() / 6)
        apart = paths - sparse.diags_array(paths.diagonal())
        squares = float((apart.data * (apart.data - 1)).sum() / 8)
    counts = np.bincount(degrees.clip(max=_DEGREES), minlength=_DEGREES + 1) / nodes
    return [
        nodes,
        edges,
        float(degrees.mean()),
        float(degrees.std()),
        int(degrees.max()),
        2 * edges / (nodes * max(nodes - 1, 1)),
        components,
        edges - nodes + components,
        triangles,
        squares,
        3 * triangles / wedges if wedges else 0.0,
        *counts.tolist(),
    ]


def _colours(graph: Any, iterations: int) -> list[np.ndarray]:
    """The colours of a graph's nodes after 0, 1, … iterations, ``(n,)`` uint64 each."""
    ends = graph.ends.astype(np.int64)
    if graph.categories.shape[1]:
        colours = _of_rows(graph.categories)
    else:
        colours = _mixed(np.bincount(ends.reshape(-1), minlength=graph.order).astype(np.uint64))
    edges = _of_rows(graph.edge_categories) if graph.edge_categories.shape[1] else np.zeros(len(ends), np.uint64)
    backward = edges + np.uint64(graph.directed)
    found = [colours]
    for _ in range(iterations):
        around = np.zeros(graph.order, np.uint64)
        np.add.at(around, ends[:, 1], _mixed(colours[ends[:, 0]] + _mixed(edges)))
        np.add.at(around, ends[:, 0], _mixed(colours[ends[:, 1]] + _mixed(backward)))
        colours = _mixed(_mixed(colours) + around)
        found.append(colours)
    return found


def _of_rows(categories: np.ndarray) -> np.ndarray:
    """A colour of each row of categories."""
    colours = np.zeros(len(categories), np.uint64)
    for column in categories.T:
        if column.dtype == object:
            known, places = np.unique(column.astype(str), return_inverse=True)
            numbers = np.array([_hash_of(text) for text in known.tolist()], np.uint64)[places]
        else:
            numbers = column.astype(np.int64).astype(np.uint64)
        colours = _mixed(colours + _mixed(numbers))
    return colours


def _hash_of(text: str) -> int:
    """A hash that is the same in every process, as Python's own is not."""
    number = 14_695_981_039_346_656_037
    for byte in text.encode("utf-8", "surrogatepass"):
        number = ((number ^ byte) * 1_099_511_628_211) % 2**64
    return number


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """A hash of each number: the last steps of SplitMix64."""
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = numbers ^ (numbers >> np.uint64(31))
    return mixed
