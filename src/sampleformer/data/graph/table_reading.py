"""The steps in which graphs are read from tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from sampleformer.data.column_values import label_text
from sampleformer.data.graph.feature_columns import FeatureColumns
from sampleformer.data.graph.table_edges import EdgeList, edges_of_table
from sampleformer.data.graph.table_nodes import NodeList, graph_names, nodes_of_edges, nodes_of_table
from sampleformer.data.report import RowReport
from sampleformer.data.table import Table
from sampleformer.errors import InputError

Values = tuple[np.ndarray, np.ndarray]


class TableReading:
    """Reads the tables one after the other and collects the graphs that have wrong rows.

    Args:
        nodes: table of nodes, or None.
        edges: table of edges, or None.
        graphs: table of graphs, or None.
        on_error: "stop" or "skip".

    Raises:
        InputError: if there are neither nodes nor edges.
    """

    def __init__(self, nodes: Table | None, edges: Table | None, graphs: Table | None, on_error: str) -> None:
        main = nodes if nodes is not None else edges
        if main is None:
            raise InputError("graphs from tables: found neither nodes nor edges, expected at least one of the two")
        self._nodes, self._edges, self._graphs, self._main = nodes, edges, graphs, main
        self._on_error = on_error
        several = graphs is not None or any("graph" in t.columns for t in (nodes, edges) if t is not None)
        self._single = None if several else Path(main.path).name
        self.path = main.path
        self.wrong: set[str] = set()

    def listed(self) -> dict[str, int] | None:
        """The row of each graph in the table of graphs; None if there is no such table."""
        if self._graphs is None:
            return None
        report = self._report(self._graphs)
        names = graph_names(self._graphs, None, report)
        used = {label_text(value) for value in self._main.column("graph")}
        rows: dict[str, int] = {}
        for row, name in enumerate(names):
            if name is None:
                continue
            if name in rows:
                first = self._graphs.place(rows[name])
                report.add(row, f"column 'graph': found {name!r} again (first in {first}), expected each graph once")
            elif name not in used:
                report.add(row, f"column 'graph': {name!r} has no nodes in {self.path}, expected at least one")
            rows.setdefault(name, row)
        self._finish(report, lambda row: [names[row]])
        return rows

    def nodes(self, columns: FeatureColumns, listed: dict[str, int] | None) -> tuple[NodeList, Values]:
        """The nodes of all graphs, and the numbers and categories of each."""
        report = self._report(self._main)
        names = self._names = graph_names(self._main, self._single, report)
        for row, name in enumerate(names):
            if listed is not None and self._graphs is not None and name is not None and name not in listed:
                report.add(row, f"column 'graph': found {name!r}, expected a graph that {self._graphs.path} lists")
        if self._nodes is None:
            found = nodes_of_edges(self._main, names)
            numbers, categories = _no_values(len(found.keys))
        else:
            found = nodes_of_table(self._nodes, names, report)
            numbers, categories = (values[found.rows] for values in columns.parse(self._nodes, report))
        self._finish(report, lambda row: [names[row]])
        return found, (numbers, categories)

    def edges(self, columns: FeatureColumns, nodes: NodeList) -> tuple[EdgeList, Values]:
        """The edges of all graphs, and the numbers and categories of each."""
        table = self._edges
        if table is None:
            return EdgeList(np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.int64)), _no_values(0)
        report = self._report(table)
        names = self._names_of_edges(table, report)
        found = edges_of_table(table, nodes, names, report)
        numbers, categories = columns.parse(table, report)
        owners = nodes.graphs_of()

        def graphs_of(row: int) -> Iterable[str | None]:
            if names is not None:
                return [names[row]]
            ends = (label_text(table.column(column)[row]) for column in ("source", "target"))
            return [graph for end in ends if end is not None for graph in owners.get(end, [])]

        self._finish(report, graphs_of)
        return found, (numbers[found.rows], categories[found.rows])

    def _names_of_edges(self, table: Table, report: RowReport) -> list[str | None] | None:
        """The graph of each edge; None if the nodes tell."""
        if table is self._main:
            return self._names  # wrong ones are reported already
        if self._single is None and "graph" not in table.columns:
            return None
        return graph_names(table, self._single, report)

    def _report(self, table: Table) -> RowReport:
        return RowReport(table.path, table.place, self._on_error)

    def _finish(self, report: RowReport, graphs_of: Callable[[int], Iterable[str | None]]) -> None:
        report.log()
        self.wrong |= {name for row in report.wrong for name in graphs_of(row) if name is not None}


def _no_values(rows: int) -> Values:
    return np.zeros((rows, 0)), np.zeros((rows, 0), dtype=object)
