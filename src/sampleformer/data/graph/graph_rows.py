"""Graphs as the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sampleformer.data.graph.graph_format import GraphFormat
from sampleformer.errors import shown
from sampleformer.tables.table import Table


@dataclass(frozen=True)
class GraphRows(Table):
    """A table with one row for each graph, and the graphs.

    Args:
        graphs: that of each row, ``(rows,)`` of `RawGraph`.
        nodes: table of the nodes of all graphs, to which `RawGraph.rows` leads; None: there is none.
        pairs: table of the pairs of nodes that are asked about; None: there is none.
        format: with the columns that were read.
        graph_names: what tables call each graph, even if a column "id" of the graphs says more. Empty: their places.
        used: lines that say what was read of the files, and what not.
    """

    graphs: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=object))
    nodes: Table | None = None
    pairs: Table | None = None
    format: GraphFormat = field(default_factory=GraphFormat)
    graph_names: Sequence[str] = ()
    used: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """What predictions call each graph."""
        return [str(name) for name in self.columns["id"]]

    def place(self, index: int) -> str:
        """Words for where a graph is: its row in the table of graphs, or else its name."""
        return super().place(index) if self.lines is not None else f"graph {shown(self.columns['id'][index])}"

    def level_of(self, column: str) -> str | None:
        """ "sample" for a column of the graphs, "token" for one of their nodes; None if there is no such column."""
        if column in self.columns:
            return "sample"
        return "token" if self.nodes is not None and column in self.nodes.columns else None


def graph_rows(
    path: str,
    graphs: np.ndarray,
    columns: dict[str, list],
    nodes: Table | None = None,
    format: GraphFormat | None = None,
    used: Sequence[str] = (),
) -> GraphRows:
    """Graphs that no table lists: their names are their places from 0 on."""
    names = [str(place) for place in range(len(graphs))]
    return GraphRows(
        path,
        {"id": names} | columns,
        range(1, len(graphs) + 1),
        graphs=graphs,
        nodes=nodes,
        format=format or GraphFormat(),
        graph_names=names,
        used=used,
    )
