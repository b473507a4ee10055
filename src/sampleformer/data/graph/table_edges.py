"""The edges of graphs that are given as tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sampleformer.data.graph.table_nodes import Ends, NodeList
from sampleformer.errors import shown
from sampleformer.tables.report import RowReport
from sampleformer.wording import count


@dataclass(frozen=True)
class EdgeList:
    """The edges of all graphs.

    Args:
        ends: places of source and target in the list of nodes, ``(edges, 2)`` int64.
        rows: index of each edge in its table, ``(edges,)`` int64.
    """

    ends: np.ndarray
    rows: np.ndarray


def edges_of_table(
    columns: tuple[str, str], ends: Ends, nodes: NodeList, graphs: list[str | None] | None, report: RowReport
) -> EdgeList:
    """The edges that a table lists; an end that is no node, and an edge between graphs, are reported.

    Args:
        columns: names of the columns of source and target.
        ends: what they hold.
        nodes: the nodes of all graphs.
        graphs: the graph of each row, None where it is not known. None: the one graph that has nodes of these ids.
        report: is told of wrong rows.

    Raises:
        InputError: if a row is wrong and the report stops at the first.
    """
    checked = _Ends(columns, nodes)
    found: list[tuple[int, int]] = []
    rows: list[int] = []
    for row, (source, target) in enumerate(zip(*ends, strict=True)):
        graph = None if graphs is None else graphs[row]
        if graphs is not None and graph is None:
            continue
        joined = checked.places(graph, source, target)
        if isinstance(joined, str):
            report.add(row, joined)
        else:
            found.append(joined)
            rows.append(row)
    return EdgeList(np.array(found, dtype=np.int64).reshape(-1, 2), np.array(rows, dtype=np.int64))


class _Ends:
    """Finds the nodes that edges join.

    Args:
        columns: names of the columns of source and target, for messages.
        nodes: the nodes of all graphs.
    """

    def __init__(self, columns: tuple[str, str], nodes: NodeList) -> None:
        self.columns = columns
        self.nodes = nodes
        self.owners = nodes.graphs_of()

    def places(self, graph: str | None, source: str | None, target: str | None) -> tuple[int, int] | str:
        """The places of both ends of an edge, or what is wrong with it; a graph of None is that of its source."""
        ends = (source, target)
        problem = self._first_problem(ends, self._unknown)
        if problem is not None or source is None or target is None:
            return problem or "the id is missing"
        if graph is None:
            problem = self._first_problem(ends, self._shared)
            graph = self.owners[source][0]
        problem = problem or self._apart(graph, source, target)
        return problem or (self.nodes.places[graph, source], self.nodes.places[graph, target])

    def _first_problem(
        self, ends: tuple[str | None, str | None], problem_of: Callable[[str, str | None], str | None]
    ) -> str | None:
        source, target = (problem_of(column, node) for column, node in zip(self.columns, ends, strict=True))
        return source or target

    def _unknown(self, column: str, node: str | None) -> str | None:
        if node is None:
            return f"column {column!r}: the id is missing"
        return (
            None if node in self.owners else f"column {column!r}: found {shown(node)}, expected {self.nodes.expected}"
        )

    def _shared(self, column: str, node: str | None) -> str | None:
        number = 1 if node is None else len(self.owners[node])
        if number == 1:
            return None
        return (
            f"column {column!r}: {shown(node)} is a node of {count(number, 'graph')}, expected a column 'graph' that "
            "says which"
        )

    def _apart(self, graph: str, source: str, target: str) -> str | None:
        """What is wrong with an edge whose ends are not both in its graph."""
        for column, node in zip(self.columns, (source, target), strict=True):
            if (graph, node) not in self.nodes.places:
                owners = self.owners[node]
                where = shown(owners[0]) + (f" and {len(owners) - 1} more" if len(owners) > 1 else "")
                return (
                    f"column {column!r}: {shown(node)} is a node of graph {where}, expected one of the edge's graph "
                    f"{shown(graph)}"
                )
        return None
