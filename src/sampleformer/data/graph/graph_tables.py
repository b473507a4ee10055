"""Graphs from tables: one of nodes, one of edges, one of graphs."""

from __future__ import annotations

import logging

import numpy as np

from sampleformer.data.graph.key_columns import EDGES, GRAPHS, NODES, KeyColumns
from sampleformer.data.graph.table_edges import EdgeList
from sampleformer.data.graph.table_graph import TableGraph
from sampleformer.data.graph.table_nodes import NodeList
from sampleformer.data.graph.table_reading import TableReading, Values
from sampleformer.tables.feature_columns import FeatureColumns
from sampleformer.tables.table import Table
from sampleformer.wording import count

logger = logging.getLogger("sampleformer")


def parse_graph_tables(
    nodes: Table | None,
    edges: Table | None,
    graphs: Table | None = None,
    *,
    keys: KeyColumns | None = None,
    node_columns: FeatureColumns | None = None,
    edge_columns: FeatureColumns | None = None,
    on_error: str = "stop",
    learning: bool = False,
) -> list[TableGraph]:
    """The graphs that up to three tables describe.

    * Nodes: `node`, the id (without such a column the place among the nodes of its graph, from 0); `graph`, the name of
      its graph (without it, all are one graph, named like the file); columns that describe nodes.
    * Edges: `source` and `target`, ids of nodes; `graph` (not needed if no two graphs share an id); columns that
      describe edges. Self-loops and double edges are kept.
    * Graphs: `graph`. It gives their order; its other columns are not read here.

    These columns may have other usual names, see `KeyColumns`.

    Without a table of nodes, the nodes are those that the edges join, in the order in which they occur. Ids and names
    are texts; the number 1.0 is the text "1". A wrong row stops the reading or, if it is to be skipped, leaves out the
    whole graph that it belongs to: a graph that misses a piece is another graph.

    Args:
        nodes: table of nodes, or None.
        edges: table of edges, or None: graphs without edges.
        graphs: table of graphs, or None.
        keys: which columns name what. None: they are found by their names.
        node_columns: the columns that describe nodes; None: none.
        edge_columns: the columns that describe edges; None: none.
        on_error: "stop" or "skip".
        learning: whether columns of numbers are standardised by what these tables hold.

    Returns:
        The graphs, in the order of their table, or else in that in which they occur.

    Raises:
        InputError: if a column is missing; or a row is wrong and `on_error` is "stop": an id twice, an end that is no
            node, an edge between graphs, a number that is missing or not finite, a graph without nodes, or a graph
            that the table of graphs does not list.

    Example:
        >>> edges = Table("edges.csv", {"source": ["a", "b"], "target": ["b", "c"]}, [1, 2])
        >>> (graph,) = parse_graph_tables(None, edges)
        >>> graph.nodes, graph.ends.tolist()
        (['a', 'b', 'c'], [[0, 1], [1, 2]])
    """
    tables = {NODES: nodes, EDGES: edges, GRAPHS: graphs}
    given = {name: table for name, table in tables.items() if table is not None}
    reading = TableReading(given, keys, on_error, learning=learning)
    listed = reading.listed()
    node_list, node_values = reading.nodes(node_columns or FeatureColumns(), listed)
    edge_list, edge_values = reading.edges(edge_columns or FeatureColumns(), node_list)
    found = listed if listed is not None else {graph: -1 for graph, _ in node_list.keys}
    if reading.wrong:
        logger.warning("%s: left out %s for wrong rows", reading.path, count(len(reading.wrong), "graph"))
    kept = {name: row for name, row in found.items() if name not in reading.wrong}
    return _put_together(kept, node_list, node_values, edge_list, edge_values)


def _put_together(
    rows: dict[str, int], nodes: NodeList, node_values: Values, edges: EdgeList, edge_values: Values
) -> list[TableGraph]:
    """One graph for each name, from the nodes and edges of all."""
    number = {name: place for place, name in enumerate(rows)}
    graph_of_node = np.array([number.get(graph, -1) for graph, _ in nodes.keys], dtype=np.int64)
    of_nodes = _grouped(graph_of_node, len(rows))
    of_edges = _grouped(graph_of_node[edges.ends[:, 0]], len(rows))
    local = np.empty(len(graph_of_node), dtype=np.int64)
    for places in of_nodes:
        local[places] = np.arange(len(places))
    return [
        TableGraph(
            name=name,
            nodes=[nodes.keys[place][1] for place in at],
            node_rows=nodes.rows[at],
            node_numbers=node_values[0][at],
            node_categories=node_values[1][at],
            ends=local[edges.ends[joined]],
            edge_rows=edges.rows[joined],
            edge_numbers=edge_values[0][joined],
            edge_categories=edge_values[1][joined],
            row=row,
        )
        for (name, row), at, joined in zip(rows.items(), of_nodes, of_edges, strict=True)
    ]


def _grouped(groups: np.ndarray, number: int) -> list[np.ndarray]:
    """The places of each group from 0 on, in order; a negative group is left out."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.searchsorted(groups[order], np.arange(number + 1)))[1:-1]
