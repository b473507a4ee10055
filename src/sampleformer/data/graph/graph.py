"""One graph in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sampleformer.data.graph.array_features import check_numbers


@dataclass(frozen=True)
class Graph:
    """Nodes, and the edges that join them.

    An undirected graph lists each of its edges once, in either direction. Self-loops and several edges between the
    same two nodes are allowed.

    Args:
        nodes: what each node is: codes ``(n,)``, codes of several categories ``(n, c)``, both integer, or numbers
            ``(n, f)``.
        ends: source and target of each edge, ``(E, 2)`` integer.
        edge_features: what each edge carries, ``(E, f)``; f may be 0.
        directed: whether an edge leads from its source to its target only.

    Raises:
        ValueError: if the shapes do not fit together, an end is no node, or a feature is no number that float32 holds.

    Example:
        >>> graph = Graph(np.array([6, 6, 8]), np.array([[0, 1], [1, 2]]), np.ones((2, 1)))
        >>> graph.degrees
        array([1, 2, 1])
    """

    nodes: np.ndarray
    ends: np.ndarray
    edge_features: np.ndarray
    directed: bool = False

    def __post_init__(self) -> None:
        if self.nodes.ndim not in (1, 2):
            raise ValueError(f"nodes have shape {self.nodes.shape}, expected (nodes,) or (nodes, features)")
        if self.nodes.ndim == 1 and self.nodes.dtype.kind not in "iu":
            raise ValueError(f"nodes of shape (nodes,) have dtype {self.nodes.dtype}, expected integer codes")
        if self.ends.ndim != 2 or self.ends.shape[1] != 2:
            raise ValueError(f"ends have shape {self.ends.shape}, expected (edges, 2)")
        if self.ends.dtype.kind not in "iu":
            raise ValueError(f"ends have dtype {self.ends.dtype}, expected integers")
        if self.edge_features.ndim != 2 or len(self.edge_features) != len(self.ends):
            raise ValueError(f"edge features have shape {self.edge_features.shape}, expected ({len(self.ends)}, f)")
        self._check_ends()
        check_numbers("node", self.nodes)
        check_numbers("edge", self.edge_features)

    def _check_ends(self) -> None:
        wrong = np.flatnonzero(((self.ends < 0) | (self.ends >= self.order)).any(axis=1))
        if len(wrong):
            source, target = self.ends[wrong[0]].tolist()
            raise ValueError(f"edge {wrong[0]} joins {source} and {target}, expected nodes from 0 to {self.order - 1}")

    @property
    def order(self) -> int:
        """Number of nodes."""
        return len(self.nodes)

    @property
    def size(self) -> int:
        """Number of edges."""
        return len(self.ends)

    @property
    def degrees(self) -> np.ndarray:
        """How many edge ends lie at each node, ``(n,)`` int64: a self-loop counts twice, a double edge twice."""
        return np.bincount(self.ends.reshape(-1).astype(np.int64), minlength=self.order)

    def mirrored(self) -> Graph:
        """The directed graph with both directions of each edge, `2i` as listed and `2i + 1` the other way.

        A directed graph is returned as it is.
        """
        if self.directed:
            return self
        both = np.stack([self.ends, self.ends[:, ::-1]], axis=1).reshape(-1, 2)
        return Graph(self.nodes, both, np.repeat(self.edge_features, 2, axis=0), directed=True)
