"""The nodes of graphs that are given as tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sampleformer.data.column_values import label_text
from sampleformer.data.report import RowReport
from sampleformer.data.table import Table

Key = tuple[str, str]


@dataclass(frozen=True)
class NodeList:
    """The nodes of all graphs.

    Args:
        keys: name of the graph and id of each node.
        rows: index of each node in its table, ``(nodes,)`` int64; -1 if there is no such table.
        places: the place of each key in `keys`.
        counted: whether the ids are places among the nodes of a graph, because the table has none.
    """

    keys: list[Key]
    rows: np.ndarray
    places: dict[Key, int]
    counted: bool = False

    def graphs_of(self) -> dict[str, list[str]]:
        """For each id, the graphs that have a node of this id."""
        found: dict[str, list[str]] = {}
        for graph, node in self.keys:
            found.setdefault(node, []).append(graph)
        return found


def graph_names(table: Table, single: str | None, report: RowReport) -> list[str | None]:
    """The graph that each row belongs to: that of the column "graph", or the only one.

    A row without one is reported, and None.

    Args:
        table: the table.
        single: name of the graph if there is only one; None: the column tells.
        report: is told of wrong rows.

    Raises:
        InputError: if there are several graphs but no such column.
    """
    if single is not None:
        return [single] * len(table)
    names = [label_text(value) for value in table.column("graph")]
    for row, name in enumerate(names):
        if name is None:
            report.add(row, "column 'graph': the name of the graph is missing")
    return names


def nodes_of_table(table: Table, graphs: list[str | None], report: RowReport) -> NodeList:
    """The nodes that a table lists; a missing id, or one that its graph has already, is reported."""
    counted = "node" not in table.columns
    ids = _counted(graphs) if counted else [label_text(value) for value in table.column("node")]
    keys: list[Key] = []
    rows: list[int] = []
    places: dict[Key, int] = {}
    for row, (graph, node) in enumerate(zip(graphs, ids, strict=True)):
        if graph is None:
            continue
        if node is None:
            report.add(row, "column 'node': the id is missing")
        elif (graph, node) in places:
            first = table.place(rows[places[graph, node]])
            report.add(row, f"column 'node': found {node!r} again (first in {first}), expected each id once in a graph")
        else:
            places[graph, node] = len(keys)
            keys.append((graph, node))
            rows.append(row)
    return NodeList(keys, np.array(rows, dtype=np.int64), places, counted)


def nodes_of_edges(table: Table, graphs: list[str | None]) -> NodeList:
    """The nodes that edges join, in the order in which they occur."""
    places: dict[Key, int] = {}
    for graph, source, target in zip(graphs, table.column("source"), table.column("target"), strict=True):
        for value in (source, target):
            node = label_text(value)
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
