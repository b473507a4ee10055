"""The text files of the TU Dortmund's sets of graphs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sampleformer.data.archive import archive_files
from sampleformer.data.graph.raw_graph import RawGraph
from sampleformer.errors import InputError

_NEEDED = ("A", "graph_indicator")
_READ = (*_NEEDED, *(f"{of}_{what}" for of in ("graph", "node", "edge") for what in ("labels", "attributes")))


@dataclass(frozen=True)
class TuFiles:
    """What the files of one set hold.

    Args:
        graphs: ``(graphs,)`` of `RawGraph`, undirected.
        targets: class numbers of the graphs, or numbers to predict, ``(graphs,)`` or ``(graphs, t)``.
        classes: whether they are classes.
    """

    graphs: np.ndarray
    targets: np.ndarray
    classes: bool


def read_tu_files(path: Path, name: str) -> TuFiles:
    """Reads NAME_A.txt and what else there is.

    Where nodes carry nothing, each carries its degree, as is published practice.

    Args:
        path: NAME.zip, or the folder it unpacks to.
        name: of the set.

    Raises:
        InputError: if a file is missing or does not fit the others.
    """
    found = {
        kind: content
        for file, content in archive_files(path, name)
        if (kind := file.removeprefix(f"{name}_").removesuffix(".txt")) in _READ and file == f"{name}_{kind}.txt"
    }
    labels = next((label for label in ("graph_labels", "graph_attributes") if label in found), None)
    for needed in (*_NEEDED, labels or "graph_labels"):
        if needed not in found:
            raise InputError(f"{path}: found no {name}_{needed}.txt, expected it in {name}.zip or its folder")
    arrays = {file: _numbers(path, f"{name}_{file}.txt", content) for file, content in found.items()}
    graph_of = arrays["graph_indicator"][:, 0].astype(np.int64) - 1
    targets = arrays[labels or "graph_labels"]
    _check(path, name, arrays, graph_of, len(targets))
    classes = labels == "graph_labels"
    return TuFiles(
        _graphs(arrays, graph_of, len(targets)),
        targets[:, 0].astype(np.int64) if classes else targets,
        classes,
    )


def _numbers(path: Path, file: str, content: bytes) -> np.ndarray:
    """The numbers of a file, ``(lines, columns)``."""
    try:
        rows = [
            [float(field) for field in line.split(",")] for line in content.decode("ascii").split("\n") if line.strip()
        ]
        return np.array(rows, dtype=np.float64).reshape(len(rows), -1)
    except ValueError as error:
        raise InputError(f"{path}: {file}: expected a line of as many numbers for each ({error})") from error


def _check(path: Path, name: str, arrays: dict[str, np.ndarray], graph_of: np.ndarray, graphs: int) -> None:
    """That the files have as many lines as they must, and that edges join nodes of one graph."""
    edges, nodes = arrays["A"], len(graph_of)
    counts = {"node_": nodes, "edge_": len(edges)}
    for file, array in arrays.items():
        expected = next((count for start, count in counts.items() if file.startswith(start)), None)
        if expected is not None and len(array) != expected:
            raise InputError(f"{path}: {name}_{file}.txt has {len(array)} lines, expected {expected}")
    if nodes == 0 or graph_of.min() < 0 or graph_of.max() >= graphs or len(np.unique(graph_of)) < graphs:
        raise InputError(f"{path}: {name}_graph_indicator.txt: expected nodes of each graph from 1 to {graphs}")
    ends = edges.astype(np.int64) - 1
    if edges.shape[1] != 2 or (ends < 0).any() or (ends >= nodes).any():
        raise InputError(f"{path}: {name}_A.txt: expected two nodes from 1 to {nodes} in each line")
    wrong = np.flatnonzero(graph_of[ends[:, 0]] != graph_of[ends[:, 1]])
    if len(wrong):
        raise InputError(f"{path}: {name}_A.txt: line {wrong[0] + 1} joins nodes of two graphs, expected one")


def _graphs(arrays: dict[str, np.ndarray], graph_of: np.ndarray, graphs: int) -> np.ndarray:
    nodes = len(graph_of)
    ends = arrays["A"].astype(np.int64) - 1
    _, once = np.unique(np.sort(ends, axis=1) @ np.array([nodes, 1]), return_index=True)
    once = np.sort(once)  # the files list both directions of an edge
    order = np.argsort(graph_of, kind="stable")
    local = np.empty(nodes, dtype=np.int64)
    starts = np.searchsorted(graph_of[order], np.arange(graphs + 1))
    local[order] = np.arange(nodes) - starts[graph_of[order]]
    edge_graph = graph_of[ends[once, 0]]
    by_graph = once[np.argsort(edge_graph, kind="stable")]
    edge_starts = np.searchsorted(np.sort(edge_graph), np.arange(graphs + 1))
    numbers = arrays.get("node_attributes", np.zeros((nodes, 0)))
    labels = arrays.get("node_labels", np.zeros((nodes, 0))).astype(np.int64)
    if numbers.shape[1] + labels.shape[1] == 0:
        numbers = np.bincount(ends[once].reshape(-1), minlength=nodes).astype(np.float64)[:, None]
    edge_numbers = arrays.get("edge_attributes", np.zeros((len(ends), 0)))
    edge_labels = arrays.get("edge_labels", np.zeros((len(ends), 0))).astype(np.int64)
    found = np.empty(graphs, dtype=object)
    for graph in range(graphs):
        at = order[starts[graph] : starts[graph + 1]]
        joined = by_graph[edge_starts[graph] : edge_starts[graph + 1]]
        found[graph] = RawGraph(numbers[at], labels[at], local[ends[joined]], edge_numbers[joined], edge_labels[joined])
    return found
