"""The steps in which graphs are read from tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from sampleformer.data.graph.key_columns import EDGES, GRAPHS, NODES, KeyColumns, read_names
from sampleformer.data.graph.table_edges import EdgeList, edges_of_table
from sampleformer.data.graph.table_nodes import Ends, NodeList, graph_names, nodes_of_edges, nodes_of_table
from sampleformer.errors import InputError, shown
from sampleformer.tables.feature_columns import FeatureColumns
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table

Values = tuple[np.ndarray, np.ndarray]


class TableReading:
    """Reads the tables one after the other and collects the graphs that have wrong rows.

    Args:
        tables: those of "nodes", "edges" and "graphs" that there are.
        keys: which columns name what. None: they are found by their names.
        on_error: "stop" or "skip".
        learning: whether columns of numbers are standardised by what these tables hold.

    Raises:
        InputError: if there are neither nodes nor edges.
    """

    def __init__(self, tables: dict[str, Table], keys: KeyColumns | None, on_error: str, *, learning: bool) -> None:
        main = NODES if NODES in tables else EDGES
        if main not in tables:
            raise InputError("graphs from tables: found neither nodes nor edges, expected at least one of the two")
        self._tables, self._main = tables, main
        self._keys = KeyColumns.of(tables) if keys is None else keys
        self._on_error = on_error
        self._learning = learning
        self.path = tables[main].path
        self._single = None if GRAPHS in tables or self._keys.graph else Path(self.path).name
        self._ends: Ends | None = None
        self.wrong: set[str] = set()

    def listed(self) -> dict[str, int] | None:
        """The row of each graph in the table of graphs; None if there is no such table."""
        table = self._tables.get(GRAPHS)
        if table is None:
            return None
        report = self._report(table)
        column = self._graph_column(GRAPHS)
        names = graph_names(table, column, report)
        main = self._tables[self._main]
        used = set(read_names(main, self._graph_column(self._main), "graph", self._silent(main)))
        rows: dict[str, int] = {}
        for row, name in enumerate(names):
            if name is None:
                continue
            if name in rows:
                first = table.place(rows[name])
                report.add(
                    row, f"column {column!r}: found {shown(name)} again (first in {first}), expected each graph once"
                )
            elif name not in used:
                report.add(row, f"column {column!r}: {shown(name)} has no nodes in {self.path}, expected at least one")
            rows.setdefault(name, row)
        self._finish(report, lambda row: [names[row]])
        return rows

    def nodes(self, columns: FeatureColumns, listed: dict[str, int] | None) -> tuple[NodeList, Values]:
        """The nodes of all graphs, and the numbers and categories of each."""
        table = self._tables[self._main]
        report = self._report(table)
        names = self._names = self._graphs_of(self._main, report)
        for row, name in enumerate(names):
            if listed is not None and name is not None and name not in listed:
                report.add(
                    row,
                    f"column {self._graph_column(self._main)!r}: found {shown(name)}, expected a graph that "
                    f"{self._tables[GRAPHS].path} lists",
                )
        if self._main == EDGES:
            self._ends = self._read_ends(table, report)
            found = nodes_of_edges(self._ends, names)
            numbers, categories = _no_values(len(found.keys))
        else:
            found = nodes_of_table(table, self._keys.node, names, report)
            numbers, categories = (
                values[found.rows] for values in columns.parse(table, report, learning=self._learning)
            )
        self._finish(report, lambda row: [names[row]])
        return found, (numbers, categories)

    def edges(self, columns: FeatureColumns, nodes: NodeList) -> tuple[EdgeList, Values]:
        """The edges of all graphs, and the numbers and categories of each."""
        table = self._tables.get(EDGES)
        if table is None:
            return EdgeList(np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.int64)), _no_values(0)
        report = self._report(table)
        names = self._names_of_edges(report)
        ends = self._read_ends(table, report) if self._ends is None else self._ends
        found = edges_of_table(self._keys.ends, ends, nodes, names, report)
        numbers, categories = columns.parse(table, report, learning=self._learning)
        owners = nodes.graphs_of()

        def graphs_of(row: int) -> Iterable[str | None]:
            if names is not None:
                return [names[row]]
            return [graph for side in ends if (end := side[row]) is not None for graph in owners.get(end, [])]

        self._finish(report, graphs_of)
        return found, (numbers[found.rows], categories[found.rows])

    def _names_of_edges(self, report: RowReport) -> list[str | None] | None:
        """The graph of each edge; None if the nodes tell."""
        if self._main == EDGES:
            return self._names  # wrong ones are reported already
        if self._single is None and EDGES not in self._keys.graph:
            return None
        return self._graphs_of(EDGES, report)

    def _graphs_of(self, name: str, report: RowReport) -> list[str | None]:
        table = self._tables[name]
        if self._single is not None:
            return [self._single] * len(table)
        return graph_names(table, self._graph_column(name), report)

    def _graph_column(self, name: str) -> str:
        return self._keys.graph.get(name, "graph")  # an error says that there is none

    def _read_ends(self, table: Table, report: RowReport) -> Ends:
        source, target = (read_names(table, column, "node", report) for column in self._keys.ends)
        return source, target

    def _report(self, table: Table) -> RowReport:
        return RowReport(table.path, table.place, self._on_error)

    def _silent(self, table: Table) -> RowReport:
        """For a column that is read once more, where what is wrong is reported."""
        return RowReport(table.path, table.place, "skip")

    def _finish(self, report: RowReport, graphs_of: Callable[[int], Iterable[str | None]]) -> None:
        report.log()
        self.wrong |= {name for row in report.wrong for name in graphs_of(row) if name is not None}


def _no_values(rows: int) -> Values:
    return np.zeros((rows, 0)), np.zeros((rows, 0), dtype=object)
