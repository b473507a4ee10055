"""Graphs of PyTorch Geometric, and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sampleformer.data.graph.array_features import ArrayFeatures, check_bare, check_numbers
from sampleformer.data.graph.graph import Graph
from sampleformer.data.graph.graph_format import Codes
from sampleformer.errors import InputError
from sampleformer.extras import require

NODES = ("x", "pos")
EDGES = ("edge_attr", "edge_weight")
_OTHERS = ("edge_index", "y", "num_nodes")
_MASKS = {"train_mask": "train", "val_mask": "valid", "test_mask": "test"}


@dataclass(frozen=True)
class PygGraph:
    """A graph with what PyTorch Geometric says of it.

    Args:
        graph: the graph.
        target: its ``y`` as it was stored, of the whole graph or of each node; None if there is none.
        masks: for "train", "valid" and "test", where there is such a mask, which nodes belong to it: ``(n,)`` or, of
            several splits, ``(n, s)`` boolean.
        nodes, edges: names of the attributes that describe them.
        integers: which features of nodes and of edges are integers.
        unused: names of the attributes that are not read.
    """

    graph: Graph
    target: np.ndarray | None
    masks: dict[str, np.ndarray]
    nodes: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()
    integers: Codes = ((), ())
    unused: tuple[str, ...] = ()


def graphs_of_dataset(dataset: Iterable[Any]) -> list[PygGraph]:
    """All graphs of a dataset of PyTorch Geometric, or of a list of `Data`.

    Raises:
        InputError: if an item is no graph; it names the item.
    """
    graphs = []
    for number, data in enumerate(dataset):
        try:
            graphs.append(graph_of_data(data))
        except ValueError as error:
            raise InputError(f"graph {number} of the dataset: {error}") from error
    return graphs


def graph_of_data(data: Any) -> PygGraph:
    """A `torch_geometric.data.Data` as a graph.

    If every edge is listed in both directions with the same features, as often one way as the other, the graph is
    undirected and has each edge once; a self-loop has no other direction, each listing is one. Otherwise the graph is
    directed. Floating-point features become float32, integer ones stay codes; without ``x`` and ``pos`` every node has
    the code 0.

    Args:
        data: with ``edge_index`` ``(2, E)`` and, if there are any, ``x`` and ``pos`` ``(n, f)`` or ``(n,)``,
            ``edge_attr`` and ``edge_weight`` ``(E, f)`` or ``(E,)``, ``y``, ``train_mask``, ``val_mask`` and
            ``test_mask``.

    Raises:
        ValueError: if it is no graph: what is missing or does not fit.
        InputError: if PyTorch Geometric is not installed.

    Example:
        >>> from torch_geometric.data import Data
        >>> found = graph_of_data(Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0, 1], [1, 0]])))
        >>> found.graph.ends, found.graph.directed
        (array([[0, 1]]), False)
    """
    kind = require("torch_geometric.data", "graph").Data
    if not isinstance(data, kind):
        raise ValueError(f"found {type(data).__name__}, expected torch_geometric.data.Data")
    ends = _edge_index(data)
    of_nodes = _features(data, NODES, "nodes", None)
    of_edges = _features(data, EDGES, "edges", len(ends))
    if of_nodes is None:
        number = data.num_nodes or 0
        check_bare(number, len(ends))
        of_nodes = ArrayFeatures(np.zeros(number, dtype=np.uint8), (True,))
    if of_edges is None:
        of_edges = ArrayFeatures(np.zeros((len(ends), 0), dtype=np.uint8), ())
    both = Graph(of_nodes.values, ends, _rows(of_edges.values), directed=True)  # checks what follows relies on
    once = listed_once(both)
    graph = both if once is None else Graph(both.nodes, ends[once], both.edge_features[once])
    masks = {
        ours: _mask(data, theirs, graph.order) for theirs, ours in _MASKS.items() if _value(data, theirs) is not None
    }
    target = _value(data, "y")
    return PygGraph(
        graph,
        None if target is None else _plain(target, "y"),
        masks,
        of_nodes.names,
        of_edges.names,
        (of_nodes.integers, of_edges.integers),
        tuple(sorted({*data.keys()} - {*_OTHERS, *of_nodes.names, *of_edges.names, *_MASKS})),
    )


def data_of_graph(graph: Graph, target: np.ndarray | None = None) -> Any:
    """A graph as `torch_geometric.data.Data`, the inverse of `graph_of_data`.

    An undirected edge is listed in both directions, one after the other; an undirected self-loop once. Codes ``(n,)``
    become ``(n, 1)`` int64.

    Raises:
        InputError: if PyTorch Geometric is not installed.
    """
    ends, features = graph.mirrored().ends, graph.mirrored().edge_features
    if not graph.directed:
        second_of_loop = (ends[:, 0] == ends[:, 1]) & (np.arange(len(ends)) % 2 == 1)
        ends, features = ends[~second_of_loop], features[~second_of_loop]
    return require("torch_geometric.data", "graph").Data(
        x=_tensor(_rows(graph.nodes)),
        edge_index=torch.from_numpy(np.ascontiguousarray(ends.T, dtype=np.int64)),
        edge_attr=_tensor(features) if features.shape[1] else None,
        y=None if target is None else torch.from_numpy(np.ascontiguousarray(target)),
    )


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32 if values.dtype.kind == "f" else np.int64))


def _rows(values: np.ndarray) -> np.ndarray:
    """One row for each node or edge."""
    return values[:, None] if values.ndim == 1 else values


def _value(data: Any, name: str) -> Any:
    return getattr(data, name, None)


def _plain(value: Any, name: str) -> np.ndarray:
    if isinstance(value, torch.Tensor) and value.layout == torch.strided and value.device.type != "meta":
        stored = value.untyped_storage().nbytes()
        if value.numel() * value.element_size() > stored:
            raise ValueError(f"{name} of shape {tuple(value.shape)} repeats its numbers, expected one that is stored")
        value = value.detach().cpu()
        value = (value.float() if value.dtype in (torch.bfloat16, torch.float16) else value).numpy()
    if isinstance(value, int | float | list | tuple | np.ndarray):
        array = np.asarray(value)
        if array.dtype.kind not in "biufU":
            raise ValueError(f"{name} holds {array.dtype}, expected numbers")
        return array
    found = f"{value.layout} tensor" if isinstance(value, torch.Tensor) else type(value).__name__
    raise ValueError(f"{name} is a {found}, expected a dense tensor")


def _edge_index(data: Any) -> np.ndarray:
    if _value(data, "edge_index") is None:
        raise ValueError(f"edge_index is missing; found {', '.join(sorted(data.keys())) or 'nothing'}")
    index = _plain(data.edge_index, "edge_index")
    if index.ndim != 2 or index.shape[0] != 2 or (index.size and index.dtype.kind not in "iu"):
        raise ValueError(f"edge_index has shape {index.shape} and dtype {index.dtype}, expected (2, edges) integers")
    return np.ascontiguousarray(index.T, dtype=np.int64)


def _features(data: Any, names: tuple[str, ...], of: str, rows: int | None) -> ArrayFeatures | None:
    """Features as float32 or as codes; None if there are none."""
    arrays: dict[str, np.ndarray] = {}
    for name in names:
        if _value(data, name) is None:
            continue
        values = _plain(_value(data, name), name)
        if values.ndim not in (1, 2) or (rows is not None and len(values) != rows):
            raise ValueError(f"{name} has shape {values.shape}, expected ({of if rows is None else rows}, features)")
        check_numbers(of.removesuffix("s"), values)
        arrays[name] = values.astype(np.float32) if values.dtype.kind == "f" else values
        rows = len(values)
    return ArrayFeatures.of(arrays, rows or 0) if arrays else None


def _mask(data: Any, name: str, nodes: int) -> np.ndarray:
    mask = _plain(_value(data, name), name)
    if mask.dtype != np.bool_ or mask.ndim not in (1, 2) or len(mask) != nodes:
        raise ValueError(f"{name} has shape {mask.shape} and dtype {mask.dtype}, expected ({nodes},) booleans")
    return mask


def listed_once(graph: Graph) -> np.ndarray | None:
    """The places of one direction of each edge, in order; None if the other direction of one is missing."""
    source, target = graph.ends.T
    forward, backward = np.flatnonzero(source < target), np.flatnonzero(source > target)
    if len(forward) != len(backward):
        return None
    features = graph.edge_features.T
    ahead = forward[np.lexsort([*features[:, forward], target[forward], source[forward]])]
    behind = backward[np.lexsort([*features[:, backward], source[backward], target[backward]])]
    same = np.array_equal(graph.ends[ahead], graph.ends[behind][:, ::-1])
    if not same or not np.array_equal(graph.edge_features[ahead], graph.edge_features[behind]):
        return None
    return np.sort(np.concatenate([forward, np.flatnonzero(source == target)]))
