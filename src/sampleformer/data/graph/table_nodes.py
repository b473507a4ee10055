"""The nodes of graphs that are given as tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sampleformer.data.graph.key_columns import read_names
from sampleformer.errors import shown
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table

Key = tuple[str, str]
Ends = tuple[list[str | None], list[str | None]]
"""Names of the source and of the target of each edge; None where one is missing."""


@dataclass(frozen=True)
class NodeList:
    """The nodes of all graphs.

    Args:
        keys: name of the graph and id of each node.
        rows: index of each node in its table, ``(nodes,)`` int64; -1 if there is no such table.
        places: the place of each key in `keys`.
        expected: words for what an end of an edge must be.
    """

    keys: list[Key]
    rows: np.ndarray
    places: dict[Key, int]
    expected: str = "the id of a node"

    def graphs_of(self) -> dict[str, list[str]]:
        """For each id, the graphs that have a node of this id."""
        found: dict[str, list[str]] = {}
        for graph, node in self.keys:
            found.setdefault(node, []).append(graph)
        return found


def graph_names(table: Table, column: str, report: RowReport) -> list[str | None]:
    """The graph that each row belongs to; a row without one is reported, and None.

    Raises:
        InputError: if there is no such column, or a row is wrong and the report stops at the first.
    """
    names = read_names(table, column, "graph", report)
    for row, name in enumerate(names):
        if name is None:
            report.add(row, f"column {column!r}: the name of the graph is missing")
    return names


def nodes_of_table(table: Table, column: str | None, graphs: list[str | None], report: RowReport) -> NodeList:
    """The nodes that a table lists; a missing id, or one that its graph has already, is reported.

    Args:
        table: the table.
        column: the one with the ids. None: the nodes of each graph are counted.
        graphs: graph of each row; None where it is not known.
        report: is told of wrong rows.
    """
    ids = _counted(graphs) if column is None else read_names(table, column, "node", report)
    keys: list[Key] = []
    rows: list[int] = []
    places: dict[Key, int] = {}
    for row, (graph, node) in enumerate(zip(graphs, ids, strict=True)):
        if graph is None:
            continue
        if node is None:
            report.add(row, f"column {column!r}: the id is missing")
        elif (graph, node) in places:
            first = table.place(rows[places[graph, node]])
            report.add(
                row,
                f"column {column!r}: found {shown(node)} again (first in {first}), expected each id once in a graph",
            )
        else:
            places[graph, node] = len(keys)
            keys.append((graph, node))
            rows.append(row)
    where = f"the place of a node of {table.path}, which has no column 'node'"
    expected = where if column is None else f"the id of a node, one of {column!r} in {table.path}"
    return NodeList(keys, np.array(rows, dtype=np.int64), places, expected)


def nodes_of_edges(ends: Ends, graphs: list[str | None]) -> NodeList:
    """The nodes that edges join, in the order in which they occur."""
    places: dict[Key, int] = {}
    for graph, source, target in zip(graphs, *ends, strict=True):
        for node in (source, target):
            if graph is not None and node is not None:
                places.setdefault((graph, node), len(places))
    return NodeList(list(places), np.full(len(places), -1, dtype=np.int64), places)


def _counted(graphs: list[str | None]) -> list[str]:
    """The place of each row among those of its graph, from 0."""
    numbers: dict[str | None, int] = {}
    ids = []
    for graph in graphs:
        numbers[graph] = numbers.get(graph, -1) + 1
        ids.append(str(numbers[graph]))
    return ids
