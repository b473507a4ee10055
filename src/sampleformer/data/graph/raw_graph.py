"""A graph whose nodes and edges are still described in the user's terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sampleformer.data.graph.graph import Graph
from sampleformer.data.graph.graph_format import Codes
from sampleformer.data.graph.table_graph import TableGraph

_MOST_CODES = 1000  # different integers of a column; more are a number and no code


@dataclass(frozen=True)
class RawGraph:
    """A graph before anything that the training part teaches is applied to it.

    Args:
        numbers: what each node carries as numbers, ``(n, f)``.
        categories: what each node carries as texts or codes, ``(n, c)`` objects or integers.
        ends: source and target of each edge, ``(E, 2)`` integer; an undirected graph lists each edge once.
        edge_numbers, edge_categories: the same of edges, ``(E, …)``.
        directed: whether edges lead from source to target alone.
        names: id of each node, ``(n,)``. None: its place.
        rows: index of each node in the table of nodes, ``(n,)``; -1 if there is none.
    """

    numbers: np.ndarray
    categories: np.ndarray
    ends: np.ndarray
    edge_numbers: np.ndarray
    edge_categories: np.ndarray
    directed: bool = False
    names: np.ndarray | None = None
    rows: np.ndarray | None = None

    @property
    def order(self) -> int:
        """Number of nodes."""
        return len(self.numbers)

    @classmethod
    def of_table_graph(cls, graph: TableGraph, directed: bool) -> RawGraph:
        """A graph from tables."""
        return cls(
            graph.node_numbers,
            graph.node_categories,
            graph.ends,
            graph.edge_numbers,
            graph.edge_categories,
            directed,
            np.array(graph.nodes, dtype=object),
            graph.node_rows,
        )


def raw_graphs(
    graphs: Sequence[Graph], codes: Codes | None = None, *, directed: bool = False, integers: Codes | None = None
) -> tuple[np.ndarray, Codes]:
    """Graphs whose integer features are codes and whose others are numbers.

    Integer features that are nothing but 0 and 1 are flags, and so numbers; so are those with more than 1 000 different
    values. If some of the graphs are directed, all are: an undirected edge then leads both ways.

    Args:
        graphs: at least one.
        codes: which features are codes, if other graphs, which these are like, have shown it.
        directed: whether all are to be directed.
        integers: which features of nodes and of edges are integers. None: the type of the arrays tells.

    Returns:
        ``(graphs,)`` of `RawGraph`, and which features are codes.

    Raises:
        ValueError: if the graphs do not carry the same features, a code is no integer, or there are no graphs.
    """
    if not graphs:
        raise ValueError("found no graphs, expected at least one")
    if directed or any(graph.directed for graph in graphs):
        graphs = [graph.mirrored() for graph in graphs]
    nodes = [graph.nodes[:, None] if graph.nodes.ndim == 1 else graph.nodes for graph in graphs]
    edges = [graph.edge_features for graph in graphs]
    whole = (None, None) if integers is None else integers
    found = _code_columns(nodes, "nodes", whole[0]), _code_columns(edges, "edges", whole[1])
    if codes is None or tuple(map(len, codes)) != tuple(map(len, found)):  # others do not fit, which is reported later
        codes = found
    node_codes, edge_codes = (np.array(columns, dtype=bool) for columns in codes)
    raw = np.empty(len(graphs), dtype=object)
    first = 0
    for place, graph in enumerate(graphs):
        raw[place] = RawGraph(
            nodes[place][:, ~node_codes],
            _whole(nodes[place][:, node_codes], "node", place),
            graph.ends,
            edges[place][:, ~edge_codes],
            _whole(edges[place][:, edge_codes], "edge", place),
            graph.directed,
            rows=np.arange(first, first + graph.order),
        )
        first += graph.order
    return raw, codes


def _code_columns(features: list[np.ndarray], of: str, integers: tuple[bool, ...] | None) -> tuple[bool, ...]:
    """Which features are codes."""
    widths = {values.shape[1] for values in features}
    if len(widths) > 1:
        raise ValueError(f"the {of} of some graphs carry {min(widths)} features and of others {max(widths)}")
    width = widths.pop()
    if integers is None:
        integers = (all(values.dtype.kind in "iu" for values in features),) * width
    different: dict[int, set[int]] = {column: set() for column in range(width) if integers[column]}
    for values in features:
        for column, found in different.items():
            if len(found) <= _MOST_CODES:
                found.update(np.unique(values[:, column]).tolist())
    flags = all(found <= {0, 1} for found in different.values()) and len(different) > 1
    return tuple(column in different and not flags and len(different[column]) <= _MOST_CODES for column in range(width))


def _whole(codes: np.ndarray, of: str, graph: int) -> np.ndarray:
    """Codes as integers."""
    if codes.dtype.kind != "f":
        return codes
    whole = codes.astype(np.int64)
    wrong = np.argwhere(whole != codes)
    if len(wrong):
        found = codes[tuple(wrong[0])]
        raise ValueError(f"{of} {wrong[0][0]} of graph {graph} carries {found}, expected an integer: a code")
    return whole
