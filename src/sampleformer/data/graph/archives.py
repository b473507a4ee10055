"""Graphs from NPZ archives."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from sampleformer.data.graph.array_features import ArrayFeatures, check_bare
from sampleformer.data.graph.array_file import ArrayFile
from sampleformer.data.graph.folds import FOLDS, NEVER
from sampleformer.data.graph.graph import Graph
from sampleformer.data.graph.graph_format import Codes
from sampleformer.errors import InputError, listed
from sampleformer.unpacking import check_unpacked

COUNTS = ("num_nodes", "num_edges")
SIDES = ("src", "dst")
ENDS = "edge_index"
NODES = ("node_label", "node_feat")
EDGES = ("edge_label", "edge_feat", "edge_weight")
OF_GRAPHS = ("y", "split", "fold")
_MOST = np.iinfo(np.int32).max  # nodes or edges of one graph
_BYTES_OF_A_GRAPH = 1000  # in memory, at least
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class GraphArchive:
    """What an archive of graphs holds.

    Args:
        graphs: the graphs, undirected.
        integers: which features of nodes and of edges are integers.
        targets: the array ``y``, ``(graphs,)`` or ``(graphs, t)``; None if there is none.
        splits: the array ``split``, ``(graphs,)``: 0 training, 1 validation, 2 test; None if there is none.
        folds: the array ``fold``, ``(graphs,)``: the fold that each graph is in, 255 for none; None if there is none.
        used: words for the arrays that describe nodes and edges, and for those that are not read.
    """

    graphs: list[Graph]
    integers: Codes
    targets: np.ndarray | None
    splits: np.ndarray | None
    folds: np.ndarray | None
    used: str


def read_graph_archive(path: str | os.PathLike[str]) -> GraphArchive:
    """Reads an NPZ archive that holds the nodes and edges of all graphs one after the other.

    With ``num_nodes`` and ``num_edges`` ``(graphs,)``, it holds

    * the ends of the edges: ``src`` and ``dst`` ``(edges,)``, or ``edge_index`` ``(edges, 2)``;
    * if nodes carry anything, ``node_label`` or ``node_feat`` ``(nodes,)`` or ``(nodes, f)``, or both;
    * if edges carry anything, ``edge_label``, ``edge_feat`` or ``edge_weight``, ``(edges,)`` or ``(edges, f)``.

    Ends count the nodes of their own graph from 0, and each edge is listed once. Nodes that carry nothing have the code
    0. ``y``, ``split`` and ``fold`` may tell something of each graph.

    Args:
        path: of the archive.

    Raises:
        InputError: if the file is missing, damaged, no archive or without graphs; an array is missing or of a wrong
            shape or type; the counts do not add up to the nodes and edges; an end is no node; a graph has no nodes; a
            feature is no number that float32 holds; a split or a fold is none.
    """
    file = ArrayFile(path, {*COUNTS, *SIDES, ENDS, *NODES, *EDGES, *OF_GRAPHS})
    num_nodes = _counts(file, "num_nodes", "graphs", least=1)
    if not len(num_nodes):
        raise InputError(f"{file.path}: found no graphs, expected at least one")
    check_unpacked(file.path, _BYTES_OF_A_GRAPH * len(num_nodes))
    num_edges = _counts(file, "num_edges", len(num_nodes), least=0)
    edges = sum(num_edges.tolist())
    ends = _ends(file, edges)
    _check_ends(file, ends, num_nodes, num_edges)
    of_nodes = _features(file, NODES, "num_nodes", sum(num_nodes.tolist()), edges)
    of_edges = _features(file, EDGES, "num_edges", edges)
    nodes = of_nodes.values if of_nodes.names else np.zeros(len(of_nodes.values), dtype=np.uint8)
    integers = (of_nodes.integers if of_nodes.names else (True,), of_edges.integers)
    carried = of_edges.values[:, None] if of_edges.values.ndim == 1 else of_edges.values
    first_node, first_edge = (np.cumsum(counts) - counts for counts in (num_nodes, num_edges))
    graphs = [
        Graph(nodes[node : node + order], ends[edge : edge + size], carried[edge : edge + size])
        for node, order, edge, size in zip(
            *(counts.tolist() for counts in (first_node, num_nodes, first_edge, num_edges)), strict=True
        )
    ]
    targets, splits, folds = (_of_graphs(file, name, len(graphs)) for name in OF_GRAPHS)
    _check_parts(file, "split", splits, (0, 1, 2), "0 (train), 1 (valid) or 2 (test)")
    _check_parts(file, "fold", folds, (*range(FOLDS), NEVER), f"0 to {FOLDS - 1}, or {NEVER} for none")
    return GraphArchive(graphs, integers, targets, splits, folds, _words(file, of_nodes.names, of_edges.names))


def _words(file: ArrayFile, nodes: tuple[str, ...], edges: tuple[str, ...]) -> str:
    ends = SIDES if "src" in file else (ENDS,)
    unused = [name for name in file.found if name not in {*COUNTS, *ends, *nodes, *edges, *OF_GRAPHS}]
    words = f"nodes: {listed(nodes) or 'nothing'}; edges: {listed(edges) or 'nothing'}"
    return words + (f"; not used: {listed(unused)}" if unused else "")


def _counts(file: ArrayFile, name: str, graphs: int | str, least: int) -> np.ndarray:
    """A number for each graph, ``(graphs,)`` int64."""
    counts = file.get(name, graphs)
    wrong = np.flatnonzero((counts < least) | (counts > _MOST))
    if len(wrong):
        found = counts[wrong[0]]
        raise InputError(
            f"{file.path}: {name}: graph {wrong[0]} has {found}, expected at least {least} and at most {_MOST}"
        )
    return counts.astype(np.int64)


def _ends(file: ArrayFile, edges: int) -> np.ndarray:
    """The ends of the edges, ``(edges, 2)`` int64."""
    if "src" in file or "dst" in file:
        _check_total(file, "src", "num_edges", edges)
        return np.stack([file.get(name, edges) for name in SIDES], axis=1).astype(np.int64)
    _check_total(file, ENDS, "num_edges", edges)
    return file.get(ENDS, edges, 2).astype(np.int64)


def _features(
    file: ArrayFile, names: tuple[str, ...], counts: str, rows: int, edges: int | None = None
) -> ArrayFeatures:
    """What the nodes or the edges of all graphs carry."""
    arrays = {}
    for name in names:
        if name in file:
            _check_total(file, name, counts, rows)
            one = len(file.shape(name) or ()) == 1
            arrays[name] = file.get(name, rows, *(() if one else ("features",)), kind="float32 numbers")
    try:
        if edges is not None and not arrays:
            check_bare(rows, edges)
        return ArrayFeatures.of(arrays, rows)
    except ValueError as error:
        raise InputError(f"{file.path}: {error}") from error


def _check_total(file: ArrayFile, name: str, counts: str, total: int) -> None:
    """That an array has as many rows as the counts add up to."""
    shape = file.shape(name)
    if shape and shape[0] != total:
        raise InputError(
            f"{file.path}: array {name!r} has {shape[0]} rows, expected {total}, the sum of {counts}; its shape is "
            f"{shape}"
        )


def _check_ends(file: ArrayFile, ends: np.ndarray, num_nodes: np.ndarray, num_edges: np.ndarray) -> None:
    graph = np.repeat(np.arange(len(num_edges)), num_edges)
    wrong = np.flatnonzero(((ends < 0) | (ends >= num_nodes[graph][:, None])).any(axis=1))
    if len(wrong):
        edge, of = int(wrong[0]), int(graph[wrong[0]])
        source, target = ends[edge].tolist()
        raise InputError(
            f"{file.path}: edge {edge} joins the nodes {source} and {target} of graph {of}, "
            f"expected 0 to {num_nodes[of] - 1}"
        )


def _check_parts(file: ArrayFile, name: str, parts: np.ndarray | None, known: tuple[int, ...], expected: str) -> None:
    if parts is None:
        return
    wrong = parts[~np.isin(parts, known)]
    if len(wrong):
        raise InputError(f"{file.path}: array {name!r} holds {wrong[0]}, expected {expected}")


def _of_graphs(file: ArrayFile, name: str, graphs: int) -> np.ndarray | None:
    """An array with an entry or a row for each graph; None if there is none. Targets may be unknown, NaN."""
    if name not in file:
        return None
    if name != "y":
        return file.get(name, graphs)
    one = len(file.shape(name) or ()) == 1
    return file.get(name, graphs, kind="numbers") if one else file.get(name, graphs, "targets", kind="numbers")
