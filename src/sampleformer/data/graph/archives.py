"""Graphs from NPZ archives."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from sampleformer.data.graph.array_file import ArrayFile
from sampleformer.data.graph.graph import Graph
from sampleformer.errors import InputError

FEATURES = ("node_feat", "edge_index", "edge_feat")
LABELS = ("src", "dst", "node_label")
COUNTS = ("num_nodes", "num_edges")
OF_GRAPHS = ("y", "split", "fold")


@dataclass(frozen=True)
class GraphArchive:
    """What an archive of graphs holds.

    Args:
        graphs: the graphs, undirected.
        targets: the array ``y``, ``(graphs,)`` or ``(graphs, t)``; None if there is none.
        splits: the array ``split``, ``(graphs,)``: 0 training, 1 validation, 2 test; None if there is none.
        folds: the array ``fold``, ``(graphs,)``: the fold that each graph is in, 255 for none; None if there is none.
    """

    graphs: list[Graph]
    targets: np.ndarray | None
    splits: np.ndarray | None
    folds: np.ndarray | None


def read_graph_archive(path: str | os.PathLike[str]) -> GraphArchive:
    """Reads an NPZ archive that holds the nodes and edges of all graphs one after the other.

    With ``num_nodes`` and ``num_edges`` ``(graphs,)``, it holds either

    * ``node_feat`` ``(nodes,)``, ``(nodes, c)`` or ``(nodes, f)``, ``edge_index`` ``(edges, 2)`` and, if edges carry
      anything, ``edge_feat`` ``(edges, f)``; or
    * ``src`` and ``dst`` ``(edges,)`` and, if nodes carry anything, ``node_label`` ``(nodes,)``.

    Ends count the nodes of their own graph from 0, and each edge is listed once. Nodes that carry nothing have the code
    0. ``y``, ``split`` and ``fold`` may tell something of each graph.

    Args:
        path: of the archive.

    Raises:
        InputError: if the file is missing, damaged, no archive or without graphs; an array is missing or of a wrong
            shape or type; the counts do not add up to the nodes and edges; an end is no node; a graph has no nodes; a
            feature is not finite.
    """
    file = ArrayFile(path, {*COUNTS, *FEATURES, *LABELS, *OF_GRAPHS})
    num_nodes = _counts(file, "num_nodes", "graphs", least=1)
    if not len(num_nodes):
        raise InputError(f"{file.path}: found no graphs, expected at least one")
    num_edges = _counts(file, "num_edges", len(num_nodes), least=0)
    nodes, ends, edge_features = _elements(file, int(num_nodes.sum()), int(num_edges.sum()))
    _check_ends(file, ends, num_nodes, num_edges)
    first_node, first_edge = (np.cumsum(counts) - counts for counts in (num_nodes, num_edges))
    graphs = [
        Graph(nodes[node : node + order], ends[edge : edge + size], edge_features[edge : edge + size])
        for node, order, edge, size in zip(
            *(counts.tolist() for counts in (first_node, num_nodes, first_edge, num_edges)), strict=True
        )
    ]
    return GraphArchive(graphs, *(_of_graphs(file, name, len(graphs)) for name in OF_GRAPHS))


def _counts(file: ArrayFile, name: str, graphs: int | str, least: int) -> np.ndarray:
    """A number for each graph, ``(graphs,)`` int64."""
    counts = file.get(name, graphs).astype(np.int64)
    wrong = np.flatnonzero(counts < least)
    if len(wrong):
        raise InputError(f"{file.path}: {name}: graph {wrong[0]} has {counts[wrong[0]]}, expected at least {least}")
    return counts


def _elements(file: ArrayFile, nodes: int, edges: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the nodes are, the ends of the edges as int64, and what the edges carry, of all graphs."""
    none = np.zeros((edges, 0), dtype=np.uint8)
    if "src" in file or "dst" in file:
        _check_total(file, "src", "num_edges", edges)
        ends = np.stack([file.get(name, edges) for name in ("src", "dst")], axis=1).astype(np.int64)
        if "node_label" not in file:
            return np.zeros(nodes, dtype=np.uint8), ends, none
        _check_total(file, "node_label", "num_nodes", nodes)
        return file.get("node_label", nodes), ends, none
    _check_total(file, "node_feat", "num_nodes", nodes)
    _check_total(file, "edge_index", "num_edges", edges)
    codes = len(file.shape("node_feat") or ()) == 1
    found = file.get("node_feat", nodes) if codes else file.get("node_feat", nodes, "features", kind="finite numbers")
    ends = file.get("edge_index", edges, 2).astype(np.int64)
    return found, ends, file.get("edge_feat", edges, "features", kind="finite numbers") if "edge_feat" in file else none


def _check_total(file: ArrayFile, name: str, counts: str, total: int) -> None:
    """That an array has as many rows as the counts add up to."""
    shape = file.shape(name)
    if shape and shape[0] != total:
        raise InputError(f"{file.path}: array {name!r} has {shape[0]} rows, expected {total}, the sum of {counts}")


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


def _of_graphs(file: ArrayFile, name: str, graphs: int) -> np.ndarray | None:
    """An array with an entry or a row for each graph; None if there is none. Targets may be unknown, NaN."""
    if name not in file:
        return None
    if name != "y":
        return file.get(name, graphs)
    one = len(file.shape(name) or ()) == 1
    return file.get(name, graphs, kind="numbers") if one else file.get(name, graphs, "targets", kind="numbers")
