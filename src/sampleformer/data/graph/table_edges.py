"""The edges of graphs that are given as tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sampleformer.data.column_values import label_text
from sampleformer.data.graph.table_nodes import NodeList
from sampleformer.data.report import RowReport
from sampleformer.data.table import Table

Owners = dict[str, list[str]]


@dataclass(frozen=True)
class EdgeList:
    """The edges of all graphs.

    Args:
        ends: places of source and target in the list of nodes, ``(edges, 2)`` int64.
        rows: index of each edge in its table, ``(edges,)`` int64.
    """

    ends: np.ndarray
    rows: np.ndarray


def edges_of_table(table: Table, nodes: NodeList, graphs: list[str | None] | None, report: RowReport) -> EdgeList:
    """The edges that a table lists; an end that is no node, and an edge between graphs, are reported.

    Args:
        table: the table, with the columns "source" and "target".
        nodes: the nodes of all graphs.
        graphs: the graph of each row, None where it is not known. None: the one graph that has nodes of these ids.
        report: is told of wrong rows.

    Raises:
        InputError: if a column is missing, or a row is wrong and the report stops at the first.
    """
    owners = nodes.graphs_of()
    ends: list[tuple[int, int]] = []
    rows: list[int] = []
    for row, (source, target) in enumerate(zip(table.column("source"), table.column("target"), strict=True)):
        graph = None if graphs is None else graphs[row]
        if graphs is not None and graph is None:
            continue
        found = _ends(graph, label_text(source), label_text(target), nodes, owners)
        if isinstance(found, str):
            report.add(row, found)
        else:
            ends.append(found)
            rows.append(row)
    return EdgeList(np.array(ends, dtype=np.int64).reshape(-1, 2), np.array(rows, dtype=np.int64))


def _ends(
    graph: str | None, source: str | None, target: str | None, nodes: NodeList, owners: Owners
) -> tuple[int, int] | str:
    """The places of both ends of an edge, or what is wrong with it; a graph of None is that of its source."""
    problem = _unknown("source", source, owners) or _unknown("target", target, owners)
    if problem is not None or source is None or target is None:
        return problem or "the id is missing"
    if graph is None:
        problem = _shared("source", source, owners) or _shared("target", target, owners)
        graph = owners[source][0]
    problem = problem or _apart(graph, source, target, nodes, owners)
    return problem or (nodes.places[graph, source], nodes.places[graph, target])


def _unknown(column: str, node: str | None, owners: Owners) -> str | None:
    if node is None:
        return f"column {column!r}: the id is missing"
    return None if node in owners else f"column {column!r}: found {node!r}, expected the id of a node"


def _shared(column: str, node: str, owners: Owners) -> str | None:
    number = len(owners[node])
    if number == 1:
        return None
    return f"column {column!r}: {node!r} is a node of {number} graphs, expected a column 'graph' that says which"


def _apart(graph: str, source: str, target: str, nodes: NodeList, owners: Owners) -> str | None:
    """What is wrong with an edge whose ends are not both in its graph."""
    for column, node in (("source", source), ("target", target)):
        if (graph, node) not in nodes.places:
            where = repr(owners[node][0]) + (f" and {len(owners[node]) - 1} more" if len(owners[node]) > 1 else "")
            return f"column {column!r}: {node!r} is a node of graph {where}, expected one of the edge's graph {graph!r}"
    return None
