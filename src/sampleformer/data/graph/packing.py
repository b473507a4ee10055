"""Many graphs in few arrays."""

from collections.abc import Sequence

import numpy as np

from sampleformer.data.graph.graph import Graph
from sampleformer.data.token_sets import TokenSets


def pack_graphs(
    graphs: Sequence[Graph],
    encodings: np.ndarray | None = None,
    sources: Sequence[str] | None = None,
    names: np.ndarray | None = None,
) -> TokenSets:
    """What the graphs hold, one after the other.

    Args:
        graphs: all directed or all not, with the same features.
        encodings: of all nodes, ``(total, p)``.
        sources: raw text of each.
        names: of all nodes, ``(total,)``.

    Raises:
        ValueError: if there are no graphs, or some are directed and others not.
    """
    directed = {graph.directed for graph in graphs}
    if len(directed) != 1:
        raise ValueError(f"found {'no graphs' if not graphs else 'directed and undirected graphs'}, expected one kind")
    ends = np.concatenate([graph.ends for graph in graphs])
    largest = max(graph.order for graph in graphs)
    return TokenSets(
        np.concatenate([graph.nodes for graph in graphs]),
        _offsets([graph.order for graph in graphs]),
        sources,
        encodings=encodings,
        names=names,
        ends=ends.astype(np.uint16 if largest < 1 << 16 else np.int64),
        edge_features=np.concatenate([graph.edge_features for graph in graphs]),
        edge_offsets=_offsets([graph.size for graph in graphs]),
        directed=directed.pop(),
    )


def _offsets(counts: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
