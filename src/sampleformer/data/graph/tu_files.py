"""The text files of the TU Dortmund's sets of graphs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sampleformer.data.archive import archive_files
from sampleformer.data.graph.raw_graph import RawGraph
from sampleformer.errors import InputError, listed
from sampleformer.tables.values import EXACT, LARGEST, as_float
from sampleformer.wording import count

_NEEDED = ("A", "graph_indicator")
_READ = (*_NEEDED, *(f"{of}_{what}" for of in ("graph", "node", "edge") for what in ("labels", "attributes")))


@dataclass(frozen=True)
class TuFiles:
    """What the files of one set hold.

    Args:
        graphs: ``(graphs,)`` of `RawGraph`, undirected.
        targets: class numbers of the graphs, or numbers to predict, ``(graphs,)`` or ``(graphs, t)``.
        classes: whether they are classes.
        used: words for the files that describe nodes and edges, and for what is not read.
    """

    graphs: np.ndarray
    targets: np.ndarray
    classes: bool
    used: str


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
    once, one_sided = _listed_once(arrays, len(graph_of))
    classes = labels == "graph_labels"
    return TuFiles(
        _graphs(arrays, graph_of, len(targets), once),
        targets[:, 0].astype(np.int64) if classes else targets,
        classes,
        _words(found, labels, one_sided),
    )


def _words(found: Collection[str], labels: str | None, one_sided: int) -> str:
    nodes, edges = ([file for file in (f"{of}_labels", f"{of}_attributes") if file in found] for of in ("node", "edge"))
    words = f"nodes: {listed(nodes) or 'their degree'}; edges: {listed(edges) or 'nothing'}; target: {labels}"
    if labels == "graph_labels" and "graph_attributes" in found:
        words += "; not used: graph_attributes"
    if one_sided:
        words += (
            f"; {one_sided:,} edges are listed in one direction alone, or with other features in the other one: read "
            "as undirected, with the features of the first"
        )
    return words


def _numbers(path: Path, file: str, content: bytes) -> np.ndarray:
    """The numbers of a file, ``(lines, columns)``; integers, but for attributes."""
    rows: list[list[float]] = []
    whole = not file.endswith("_attributes.txt")
    for line, text in enumerate(content.decode("latin-1").split("\n"), start=1):
        if not text.strip():
            continue
        numbers = [as_float(field) for field in text.split(",")]
        known = [number for number in numbers if number is not None and abs(number) <= LARGEST]
        if len(known) < len(numbers) or (rows and len(known) != len(rows[0])):
            count = "numbers" if not rows else f"{len(rows[0])} numbers, as in the first line"
            raise InputError(f"{path}: {file}: line {line}: found {text.strip()[:60]!r}, expected {count}")
        if whole and not all(number.is_integer() and abs(number) < EXACT for number in known):
            raise InputError(f"{path}: {file}: line {line}: found {text.strip()[:60]!r}, expected integers")
        rows.append(known)
    if not rows:
        raise InputError(f"{path}: {file}: found no lines, expected at least one")
    return np.array(rows, dtype=np.float64)


def _check(path: Path, name: str, arrays: dict[str, np.ndarray], graph_of: np.ndarray, graphs: int) -> None:
    """That the files have as many lines and columns as they must, and that edges join nodes of one graph."""
    edges, nodes = arrays["A"], len(graph_of)
    counts = {"node_": nodes, "edge_": len(edges), "graph_attributes": graphs}
    for file, array in arrays.items():
        expected = next((number for start, number in counts.items() if file.startswith(start)), None)
        if expected is not None and len(array) != expected:
            raise InputError(f"{path}: {name}_{file}.txt has {count(len(array), 'line')}, expected {expected:,}")
    for file in ("graph_indicator", "graph_labels"):
        if file in arrays and arrays[file].shape[1] > 1:
            found = arrays[file].shape[1]
            raise InputError(f"{path}: {name}_{file}.txt has {found} numbers in each line, expected one")
    if nodes == 0 or graph_of.min() < 0 or graph_of.max() >= graphs or len(np.unique(graph_of)) < graphs:
        raise InputError(f"{path}: {name}_graph_indicator.txt: expected nodes of each graph from 1 to {graphs}")
    ends = edges.astype(np.int64) - 1
    if len(edges) and (edges.shape[1] != 2 or (ends < 0).any() or (ends >= nodes).any()):
        raise InputError(f"{path}: {name}_A.txt: expected two nodes from 1 to {nodes} in each line")
    ends = ends.reshape(-1, 2)
    wrong = np.flatnonzero(graph_of[ends[:, 0]] != graph_of[ends[:, 1]])
    if len(wrong):
        raise InputError(f"{path}: {name}_A.txt: line {wrong[0] + 1} joins nodes of two graphs, expected one")


def _listed_once(arrays: dict[str, np.ndarray], nodes: int) -> tuple[np.ndarray, int]:
    """The lines of the edges, each once, since the files list both directions; and how many lack an equal other one."""
    ends = arrays["A"].astype(np.int64).reshape(-1, 2) - 1
    carried = [arrays[file] for file in ("edge_labels", "edge_attributes") if file in arrays]
    features = np.concatenate([np.zeros((len(ends), 0)), *carried], axis=1)
    _, once, of_edge = np.unique(np.sort(ends, axis=1) @ np.array([nodes, 1]), return_index=True, return_inverse=True)
    of_edge = of_edge.reshape(-1)
    forward = ends[:, 0] < ends[:, 1]
    loop = ends[:, 0] == ends[:, 1]
    both = (np.bincount(of_edge[forward], minlength=len(once)) > 0) & (
        np.bincount(of_edge[~forward & ~loop], minlength=len(once)) > 0
    )
    differs = np.zeros(len(once), dtype=bool)
    differs[of_edge[(features != features[once[of_edge]]).any(axis=1)]] = True
    one_sided = (~both & ~loop[once]) | differs
    return np.sort(once), int(one_sided.sum())


def _graphs(arrays: dict[str, np.ndarray], graph_of: np.ndarray, graphs: int, once: np.ndarray) -> np.ndarray:
    nodes = len(graph_of)
    ends = arrays["A"].astype(np.int64).reshape(-1, 2) - 1
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
