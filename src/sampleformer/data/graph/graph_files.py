"""Graphs in the user's files."""

from __future__ import annotations

import os
from pathlib import Path

from typing_extensions import Unpack

from sampleformer.data.graph.graph_format import GraphFormat
from sampleformer.data.graph.graph_reading import GraphPaths, read_graphs, read_like_others
from sampleformer.data.graph.graph_rows import GraphRows
from sampleformer.data.graph.graph_source import GraphSource
from sampleformer.data.graph.places import Places
from sampleformer.data.table_source import PartOptions
from sampleformer.data.user_files import files_at
from sampleformer.errors import InputError


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
        rows: ``valid``, ``test``, ``task``, ``limit``, ``seed``, ``on_error`` and ``format``: which graphs or nodes are
            for what, and how tables are read, see `RowOptions`. Where nothing says what is for validation and test, a
            column "split" does if there is one. "skip" leaves out the graph that a wrong row belongs to.
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
        **rows: Unpack[PartOptions],
    ) -> None:
        self.paths = GraphPaths(path, nodes, edges, graphs)
        named = path or edges or nodes
        if named is None:
            raise InputError("path: found none, expected a folder or file of graphs, or tables of edges or nodes")
        super().__init__(named, label, Places(identifiers, laplacian, random_walk), **rows)
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
