"""Graphs from whatever files hold them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sampleformer.data.graph.archives import read_graph_archive
from sampleformer.data.graph.feature_columns import FeatureColumns
from sampleformer.data.graph.graph_format import GraphFormat
from sampleformer.data.graph.graph_rows import GraphRows, graph_rows
from sampleformer.data.graph.graph_tables import parse_graph_tables
from sampleformer.data.graph.pyg_files import read_pyg_file
from sampleformer.data.graph.pyg_rows import rows_of_pyg, target_columns
from sampleformer.data.graph.raw_graph import RawGraph, raw_graphs
from sampleformer.data.graph.table_graph import TableGraph
from sampleformer.data.table import SUFFIXES, Table, read_table
from sampleformer.errors import InputError

TABLES = ("nodes", "edges", "graphs", "pairs")
_ENDINGS = (*SUFFIXES, *(f"{suffix}.gz" for suffix in SUFFIXES))
_NODE_KEYS = ("node", "graph")
_EDGE_KEYS = ("source", "target", "graph")


@dataclass(frozen=True)
class GraphPaths:
    """The files of some graphs.

    Args:
        path: a folder with tables, a table of edges, or a file .npz or .pt.
        nodes, edges, graphs, pairs: tables that take the place of those in the folder.
    """

    path: str | os.PathLike[str] | None = None
    nodes: str | None = None
    edges: str | None = None
    graphs: str | None = None
    pairs: str | None = None

    def tables(self) -> dict[str, str]:
        """The path of each table that there is.

        Raises:
            InputError: if there are neither nodes nor edges.
        """
        found = _tables_at(self.path)
        found |= {name: path for name in TABLES if (path := getattr(self, name)) is not None}
        if "nodes" not in found and "edges" not in found:
            where = self.path if self.path is not None else "graphs"
            raise InputError(f"{where}: found neither a table of edges (edges.csv) nor one of nodes (nodes.csv)")
        return found


def holds_graphs(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder with a table of edges or nodes, or a file of graphs."""
    place = Path(path)
    if place.is_dir():
        return any((place / f"{name}{ending}").exists() for name in ("edges", "nodes") for ending in _ENDINGS)
    return place.suffix.lower() in (".npz", ".pt")


Asked = tuple[list[str] | None, list[str] | None]


def read_graphs(
    path: str | os.PathLike[str] | GraphPaths,
    format: GraphFormat,
    on_error: str = "stop",
    *,
    columns: Asked = (None, None),
) -> GraphRows:
    """Reads graphs: a folder of tables, a table of edges, or a file .npz or .pt.

    Args:
        path: of the file or folder, or of each table.
        format: how it is read.
        on_error: "stop" at the first wrong row, or "skip": the graph that it belongs to is left out.
        columns: names of the columns that describe nodes, and of those that describe edges, where the format does not
            say. None: all that are not for anything else.

    Raises:
        InputError: if something is wrong with a file, a column or a row.
    """
    paths = path if isinstance(path, GraphPaths) else GraphPaths(path)
    suffix = "" if paths.path is None else Path(paths.path).suffix.lower()
    if suffix == ".npz":
        return _rows_of_archive(str(paths.path), format)
    if suffix == ".pt":
        return rows_of_pyg(str(paths.path), read_pyg_file(str(paths.path)), format)
    return _rows_of_tables(paths.tables(), format, on_error, columns)


def read_like_others(path: str | os.PathLike[str], format: GraphFormat, on_error: str) -> GraphRows:
    """Reads graphs that must be like those that taught their format.

    Raises:
        InputError: as `read_graphs`; or if edges lead one way only here or only there.
    """
    rows = read_graphs(path, format, on_error)
    if rows.graphs[0].directed != format.directed:
        words = ("undirected", "directed")
        raise InputError(
            f"{path}: found {words[not format.directed]} graphs, expected {words[format.directed]} ones as in the "
            "training data"
        )
    return rows


def _completed(format: GraphFormat, nodes: Table | None, edges: Table | None, asked: Asked) -> GraphFormat:
    """The format with the columns that describe nodes and edges."""
    found = []
    for table, keys, given, wanted in (
        (nodes, _NODE_KEYS, format.node_columns, asked[0]),
        (edges, _EDGE_KEYS, format.edge_columns, asked[1]),
    ):
        if given is None and table is not None:
            for name in wanted or ():
                table.column(name)  # or an error that names the nearest
            others = {name for name in table.columns if wanted is not None and name not in wanted}
            given = FeatureColumns.of(table, {*keys, *format.left_out, *others})
        found.append(given or FeatureColumns())
    return replace(format, node_columns=found[0], edge_columns=found[1])


def _rows_of_archive(path: str, format: GraphFormat) -> GraphRows:
    archive = read_graph_archive(path)
    columns = {} if archive.targets is None else target_columns(archive.targets)
    if archive.splits is not None:
        wrong = archive.splits[~np.isin(archive.splits, (0, 1, 2))]
        if len(wrong):
            raise InputError(f"{path}: array 'split' holds {wrong[0]}, expected 0 (train), 1 (valid) or 2 (test)")
        columns["split"] = [("train", "valid", "test")[number] for number in archive.splits.tolist()]
    if archive.folds is not None:
        columns["fold"] = archive.folds.tolist()
    raw, codes = raw_graphs(archive.graphs, format.codes)
    return graph_rows(path, raw, columns, format=replace(format, codes=codes))


def _rows_of_tables(paths: dict[str, str], format: GraphFormat, on_error: str, asked: Asked) -> GraphRows:
    # Graphs may have no edges, but then their nodes must be listed.
    nodes, edges, graphs, pairs = (
        read_table(paths[name], empty_allowed=name == "edges" and "nodes" in paths) if name in paths else None
        for name in TABLES
    )
    format = _completed(format, nodes, edges, asked)
    parsed = parse_graph_tables(
        nodes, edges, graphs, node_columns=format.node_columns, edge_columns=format.edge_columns, on_error=on_error
    )
    where = paths.get("graphs") or paths.get("nodes") or paths["edges"]
    if not parsed:
        raise InputError(f"{where}: found no graph that can be used, expected at least one")
    raw = np.empty(len(parsed), dtype=object)
    raw[:] = [RawGraph.of_table_graph(graph, format.directed) for graph in parsed]
    names = [graph.name for graph in parsed]
    if graphs is None:
        return GraphRows(
            where, {"id": names}, range(1, len(raw) + 1), graphs=raw, nodes=nodes, pairs=pairs, format=format
        )
    return _listed(graphs, parsed, raw, GraphRows("", {}, [], nodes=nodes, pairs=pairs, format=format))


def _listed(table: Table, parsed: list[TableGraph], raw: np.ndarray, others: GraphRows) -> GraphRows:
    """The rows of the table of graphs whose graphs can be used."""
    kept = [graph.row for graph in parsed]
    columns = {name: [values[row] for row in kept] for name, values in table.columns.items()}
    columns = {"id": [graph.name for graph in parsed]} | columns
    lines = None if table.lines is None else [table.lines[row] for row in kept]
    rows = [table.rows[row] for row in kept]
    wrong = len(table) - len(kept)
    return replace(others, path=table.path, columns=columns, rows=rows, lines=lines, graphs=raw, unreadable=wrong)


def _tables_at(path: str | os.PathLike[str] | None) -> dict[str, str]:
    """The tables in a folder; a file is a table of edges."""
    if path is None:
        return {}
    place = Path(path)
    if not place.is_dir():
        if not place.exists():
            raise InputError(f"{path}: no such file or folder")
        return {"edges": str(path)}
    found: dict[str, str] = {}
    for name in TABLES:
        here = [str(place / f"{name}{ending}") for ending in _ENDINGS if (place / f"{name}{ending}").exists()]
        if len(here) > 1:
            raise InputError(f"{path}: found {' and '.join(here)}, expected one table of {name}")
        if here:
            found[name] = here[0]
    return found
