"""Graphs in the user's files."""

from __future__ import annotations

import os
from pathlib import Path

from sampleformer.data.graph.graph_format import GraphFormat
from sampleformer.data.graph.graph_reading import GraphPaths, read_graphs, read_like_others
from sampleformer.data.graph.graph_rows import GraphRows
from sampleformer.data.graph.graph_source import GraphSource
from sampleformer.data.graph.places import Places
from sampleformer.data.user_files import files_at
from sampleformer.errors import InputError
from sampleformer.tables.format import TableFormat


class GraphFiles(GraphSource):
    """Your own graphs: tables of nodes, edges and graphs, an archive .npz, or a file .pt of PyTorch Geometric.

    See `parse_graph_tables`, `read_graph_archive` and `read_pyg_file` for what the files hold. What is predicted is
    said by where the label stands: in the table of graphs, of each graph; in that of nodes, of each node, where an
    empty field is an unknown target; "link": whether an edge joins two nodes, see `LinkLoading`. The array ``y`` of an
    archive or a file .pt has the label "y", or "y0", "y1", … if there are several.

    Args:
        path: folder with nodes.csv, edges.csv and graphs.csv (or .tsv, .jsonl, .parquet), of which edges or nodes must
            be there; or a table of edges; or a file .npz or .pt.
        label: column, or several, of the graphs or of the nodes; or "link".
        nodes, edges, graphs: tables in the place of those in the folder.
        columns: the columns that describe nodes. None: all but ids, label and split.
        edge_columns: the same of edges.
        directed: whether edges of tables lead from source to target alone.
        identifiers, laplacian, random_walk: what tells nodes apart beside what they carry, see `Places`; for links
            there are identifiers alone.
        valid: a column of the graphs or the nodes that tells which are for validation, or another path. None: a column
            "split" if there is one, else a seeded tenth.
        test: the same for the test.
        task: Name of the task in `TASKS`, or an import path. None: inferred.
        limit: use at most so many graphs of each split.
        seed: seed of the splits.
        on_error: "stop" at the first wrong row, or "skip": the graph that it belongs to is left out.
        format: separator, encoding and decimal mark of tables, where they do not say them.
    """

    def __init__(
        self,
        path: str | None = None,
        label: str | list[str] = "y",
        nodes: str | None = None,
        edges: str | None = None,
        graphs: str | None = None,
        columns: list[str] | None = None,
        edge_columns: list[str] | None = None,
        directed: bool = False,
        identifiers: int = 32,
        laplacian: int = 0,
        random_walk: int = 0,
        valid: str | None = None,
        test: str | None = None,
        task: str | None = None,
        limit: int | None = None,
        seed: int = 0,
        on_error: str = "stop",
        format: TableFormat | None = None,
    ) -> None:
        self.paths = GraphPaths(path, nodes, edges, graphs)
        named = path or edges or nodes
        if named is None:
            raise InputError("path: found none, expected a folder or file of graphs, or tables of edges or nodes")
        super().__init__(
            named,
            label,
            Places(identifiers, laplacian, random_walk),
            valid=valid,
            test=test,
            task=task,
            limit=limit,
            seed=seed,
            on_error=on_error,
            format=format,
        )
        self.columns = columns
        self.edge_columns = edge_columns
        self.directed = directed

    def main_files(self) -> dict[str, list[Path]]:
        if Path(self.paths.path or "").suffix.lower() in (".npz", ".pt"):
            return {"path": files_at(self.path)}
        found: dict[str, list[Path]] = {}
        for name, path in self.paths.tables().items():
            setting = "path" if getattr(self.paths, name) is None else name
            found.setdefault(setting, []).append(Path(path))
        return found

    def read(self) -> GraphRows:
        read_as = GraphFormat(directed=self.directed, left_out=self.left_out)
        return read_graphs(
            self.paths, read_as, self.on_error, columns=(self.columns, self.edge_columns), tables=self.table_format
        )

    def read_part(self, path: str | os.PathLike[str]) -> GraphRows:
        return read_like_others(path, self.format, self.on_error, self.table_format)
