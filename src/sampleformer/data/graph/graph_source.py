"""What all sources of graphs share."""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from dataclasses import replace

import numpy as np
from typing_extensions import Unpack

from sampleformer.data.graph.graph_format import GraphFormat
from sampleformer.data.graph.graph_inputs import GraphInputs
from sampleformer.data.graph.graph_rows import GraphRows
from sampleformer.data.graph.link_loading import LinkLoading
from sampleformer.data.graph.node_loading import NodeLoading
from sampleformer.data.graph.places import Places
from sampleformer.data.source import Splits
from sampleformer.data.split_columns import named_splits
from sampleformer.data.table_loading import TableLoading, Values
from sampleformer.data.table_source import PartOptions, TableSource
from sampleformer.errors import InputError, nearest
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table
from sampleformer.tasks import Link

logger = logging.getLogger("sampleformer")

SPLIT = "split"


class GraphSource(TableSource):
    """Graphs with something to predict: of each graph, of its nodes, or which nodes an edge joins.

    Args:
        path: names the source in messages.
        label: column, or several, of the graphs or of the nodes; or "link": whether an edge joins two nodes.
        places: what tells nodes apart beside what they carry.
        rows: Which graphs are for what, and how tables are read, see `PartOptions`; columns are of the graphs or of the
            nodes. Where nothing says what is for validation and test, a column "split" does if there is one that names
            the part, else seeded tenths: of the graphs; of the nodes if there are fewer than 10 graphs; of the edges.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        label: str | list[str] | None,
        places: Places,
        **rows: Unpack[PartOptions],
    ) -> None:
        super().__init__(path, label, **rows)
        self.places = places
        self.format = GraphFormat()

    @abstractmethod
    def read(self) -> GraphRows:
        """All graphs."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """Columns that describe neither nodes nor edges."""
        return (*self.labels, *(name for name in (self.valid, self.test) if name is not None), SPLIT)

    def input_columns(self, table: Table) -> list[str]:
        return []

    def parse_inputs(self, table: Table, columns: list[str], report: RowReport) -> np.ndarray:
        assert isinstance(table, GraphRows)
        return table.graphs

    def learn_inputs(self, columns: list[str], values: Values) -> GraphInputs:
        return GraphInputs.learn(list(values), self.places, self.format, directed=values[0].directed)

    def load(self) -> Splits:
        rows = self.read()
        for line in rows.used:
            logger.info(line)
        self.format = replace(rows.format, directed=bool(rows.graphs[0].directed))
        loading = _LOADINGS[self._level(rows)]
        if loading is not LinkLoading and self.valid is None and self.test is None:
            self._split_by_column(rows)
        return loading(self, rows).splits()

    def _split_by_column(self, rows: GraphRows) -> None:
        """Takes the column "split" for those parts that it names; a part that it does not name is split off."""
        table = rows if rows.level_of(SPLIT) == "sample" else rows.nodes
        if table is None or SPLIT not in table.columns:
            return
        found = named_splits(table, SPLIT) & {"valid", "test"} or {"valid", "test"}  # none: an error says so
        self.valid, self.test = (SPLIT if name in found else None for name in ("valid", "test"))

    def _level(self, rows: GraphRows) -> str:
        """What the targets are for."""
        if self.task is not None and self.task.from_inputs:
            return "sample"
        if self.labels == ["y"]:
            self.labels = _targets_of(rows) or self.labels
        found = {name: rows.level_of(name) for name in self.labels}
        if self.task is Link or (self.labels == [Link.name] and found[Link.name] is None):
            self.places = replace(self.places, laplacian=0, random_walk=0)  # they would tell which edges were taken out
            self.labels = [Link.name]
            return "pair"
        for name, level in found.items():
            if level is None:
                columns = {*rows.columns, *(() if rows.nodes is None else rows.nodes.columns), Link.name} - {"id"}
                raise InputError(
                    f"{rows.path}: label {name!r} is a column of neither graphs nor nodes; {nearest(name, columns)}; "
                    f"{Link.name!r} predicts edges"
                )
        if len(set(found.values())) > 1:
            raise InputError(f"label: {', '.join(found)} are columns of graphs and of nodes, expected one of them")
        return found[self.labels[0]] or "sample"


_LOADINGS: dict[str, type[TableLoading] | type[NodeLoading] | type[LinkLoading]] = {
    "sample": TableLoading,
    "token": NodeLoading,
    "pair": LinkLoading,
}


def _targets_of(rows: GraphRows) -> list[str]:
    """The columns y0, y1, … where there are several targets."""
    columns = rows.columns if rows.nodes is None or "y0" in rows.columns else rows.nodes.columns
    several = [f"y{place}" for place in range(len(columns))]
    return [name for name in several if name in columns]
