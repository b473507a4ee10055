"""Graphs as a graph network takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sampleformer.data.samples import Samples
from sampleformer.training.outputs import known_targets


@dataclass(frozen=True)
class GraphBatch:
    """Several graphs as one, whose parts are not joined.

    Args:
        nodes: of all graphs, one after the other: codes ``(n, c)`` int64 or numbers ``(n, f)`` float32.
        ends: source and target of each direction of each edge, ``(2, E)``.
        edge_features: ``(E, f)`` float32.
        graph: which graph each node is in, ``(n,)``, rising.
        graphs: how many there are.
        targets: one entry or row a graph.
    """

    nodes: Tensor
    ends: Tensor
    edge_features: Tensor
    graph: Tensor
    graphs: int
    targets: Tensor

    def to(self, device: str) -> GraphBatch:
        """The same on a device."""
        nodes, ends, features = (tensor.to(device) for tensor in (self.nodes, self.ends, self.edge_features))
        return GraphBatch(nodes, ends, features, self.graph.to(device), self.graphs, self.targets.to(device))


@dataclass(frozen=True)
class GraphPart:
    """One part of the data: graphs and what is to be said of each.

    Args:
        nodes: of each graph: codes ``(n,)`` or ``(n, c)``, integer, or numbers ``(n, f)``.
        ends: of each graph, ``(E, 2)`` integer, each edge once.
        edge_features: of each graph, ``(E, f)``.
        targets: classes ``(N,)``, or columns ``(N, o)``, NaN where unknown.
        directed: whether an edge leads from its source to its target only.

    Raises:
        ValueError: if there is not one of each for every graph.

    Example:
        >>> part = GraphPart([np.array([6, 8])], [np.array([[0, 1]])], [np.ones((1, 3))], np.array([1]))
        >>> part.batch([0]).ends.tolist()
        [[0, 1], [1, 0]]
    """

    nodes: Sequence[np.ndarray]
    ends: Sequence[np.ndarray]
    edge_features: Sequence[np.ndarray]
    targets: np.ndarray
    directed: bool = False

    def __post_init__(self) -> None:
        counts = [len(self.nodes), len(self.ends), len(self.edge_features), len(self.targets)]
        if len(set(counts)) > 1:
            raise ValueError(f"nodes, ends, edge features and targets are of {counts} graphs, expected as many of each")

    @classmethod
    def of(cls, samples: Samples) -> GraphPart:
        """Graphs with one target each: what nodes and edges carry, without encodings and identifiers.

        Nodes that carry nothing get the code 0.
        """
        graphs = [samples[row] for row in range(len(samples))]
        ends = [graph.ends for graph in graphs if graph.ends is not None]
        carried = [
            np.zeros((len(pairs), 0), np.float32) if graph.edge_features is None else graph.edge_features
            for graph, pairs in zip(graphs, ends, strict=True)
        ]
        directed = any(graph.directed for graph in graphs)
        return cls([_carried(graph.features) for graph in graphs], ends, carried, known_targets(samples), directed)

    def __len__(self) -> int:
        return len(self.nodes)

    def batch(self, rows: Sequence[int] | np.ndarray) -> GraphBatch:
        """The graphs of some rows, with both directions of every edge unless they are directed."""
        sizes = [len(self.nodes[row]) for row in rows]
        starts = np.cumsum([0, *sizes[:-1]])
        nodes = np.concatenate([_two_dimensional(self.nodes[row]) for row in rows])
        ends = np.concatenate(
            [self.ends[row].astype(np.int64) + start for row, start in zip(rows, starts, strict=True)]
        )
        features = np.concatenate([self.edge_features[row] for row in rows]).astype(np.float32)
        if not self.directed:
            ends, features = np.concatenate([ends, ends[:, ::-1]]), np.concatenate([features, features])
        return GraphBatch(
            torch.from_numpy(nodes.astype(np.int64 if nodes.dtype.kind in "iub" else np.float32)),
            torch.from_numpy(np.ascontiguousarray(ends.T)),
            torch.from_numpy(features),
            torch.from_numpy(np.repeat(np.arange(len(rows)), sizes)),
            len(rows),
            torch.from_numpy(self.targets[np.asarray(rows)]),
        )

    def drawn(self, rows: Sequence[int] | np.ndarray, seed: Sequence[int]) -> GraphBatch:
        """The graphs of some rows as a step of training sees them: as they are."""
        return self.batch(rows)


def _carried(features: np.ndarray) -> np.ndarray:
    return features if features.ndim == 1 or features.shape[1] else np.zeros(len(features), np.uint8)


def _two_dimensional(nodes: np.ndarray) -> np.ndarray:
    return nodes[:, None] if nodes.ndim == 1 else nodes
