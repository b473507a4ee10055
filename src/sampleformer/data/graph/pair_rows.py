"""Pairs of nodes that a table asks about."""

from __future__ import annotations

import logging

import numpy as np

from sampleformer.data.graph.graph_rows import GraphRows
from sampleformer.data.graph.key_columns import EDGES, KeyColumns, read_names
from sampleformer.data.graph.links import edge_keys
from sampleformer.data.graph.node_targets import rows_of
from sampleformer.data.graph.raw_graph import RawGraph
from sampleformer.data.samples import TargetRows
from sampleformer.errors import InputError, shown
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table
from sampleformer.tasks import Task

logger = logging.getLogger("sampleformer")


def pair_rows(rows: GraphRows, task: Task | None, on_error: str) -> TargetRows:
    """The pairs that the table of pairs asks about, by graph; says how many of them an edge of the graph joins.

    Args:
        rows: the graphs and the table, with the columns "source" and "target", ids of nodes, and "graph" if there is
            more than one graph.
        task: Task whose column says whether an edge joins them. None: it is not wanted.
        on_error: "stop" at the first wrong row, or "skip" and count wrong rows.

    Raises:
        InputError: if there is no such table, or something is wrong with a column or a row.
    """
    if rows.pairs is None:
        raise InputError(f"{rows.path}: found no table of pairs to ask about, expected pairs.csv: source, target")
    table = rows.pairs
    report = RowReport(table.path, table.place, on_error)
    keys = KeyColumns.of({EDGES: table}, () if task is None else task.columns)
    graphs = _graphs(table, keys.graph.get(EDGES), rows, report)
    found = np.zeros((len(table), 2), dtype=np.int64)
    places = [_places_of_nodes(rows, number) for number in range(len(rows))]
    for side, column in enumerate(keys.ends):
        for row, (graph, node) in enumerate(zip(graphs, read_names(table, column, "node", report), strict=True)):
            if graph is None:
                continue
            if node is None or node not in places[graph]:
                report.add(row, f"column {column!r}: found {shown(node)}, expected the id of a node")
            else:
                found[row, side] = places[graph][node]
    values = None if task is None else task.parse(table, report)
    report.log()
    kept = report.kept(len(table))
    numbers = np.array([-1 if graph is None else graph for graph in graphs], dtype=np.int64)
    order = kept[np.argsort(numbers[kept], kind="stable")]
    offsets = np.searchsorted(numbers[order], np.arange(len(rows) + 1))
    joined = sum(
        _joined(graph, found[order[first:last]])
        for graph, first, last in zip(rows.graphs, offsets[:-1], offsets[1:], strict=True)
    )
    if joined:
        logger.warning(
            "%s: %d of %d pairs are joined by an edge of the graph, which the model sees: no score is fair to them",
            table.path,
            joined,
            len(order),
        )
    if task is None or values is None:
        return TargetRows(None, offsets, found[order])
    chosen = RowReport(table.path, rows_of(table, order).place, on_error)
    return TargetRows(task.encode(values[order], chosen), offsets, found[order])


def _graphs(table: Table, column: str | None, rows: GraphRows, report: RowReport) -> list[int | None]:
    """The graph of each row, None if it is wrong."""
    if column is None and len(rows) == 1:
        return [0] * len(table)
    column = column or "graph"  # an error says that there is none
    numbers = {name: number for number, name in enumerate(rows.graph_names)}
    found = [numbers.get(name or "") for name in read_names(table, column, "graph", report)]
    for row, number in enumerate(found):
        if number is None:
            report.add(
                row, f"column {column!r}: found {shown(table.column(column)[row])}, expected the name of a graph"
            )
    return found


def _joined(graph: RawGraph, pairs: np.ndarray) -> int:
    """How many of the pairs an edge joins."""
    asked = edge_keys(pairs, graph.order, graph.directed)
    return int(np.isin(asked, edge_keys(graph.ends, graph.order, graph.directed)).sum())


def _places_of_nodes(rows: GraphRows, number: int) -> dict[str, int]:
    graph = rows.graphs[number]
    names = range(graph.order) if graph.names is None else graph.names
    return {str(name): place for place, name in enumerate(names)}
