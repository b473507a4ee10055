"""Graphs from whatever files hold them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sampleformer.data.graph.archives import SPLITS, read_graph_archive
from sampleformer.data.graph.graph_format import GraphFormat
from sampleformer.data.graph.graph_rows import GraphRows, graph_rows
from sampleformer.data.graph.graph_tables import parse_graph_tables
from sampleformer.data.graph.key_columns import EDGES, GRAPHS, NODES, PAIRS, KeyColumns
from sampleformer.data.graph.pyg_files import read_pyg_file
from sampleformer.data.graph.pyg_rows import rows_of_pyg, target_columns
from sampleformer.data.graph.raw_graph import RawGraph, raw_graphs
from sampleformer.errors import InputError, listed
from sampleformer.tables.feature_columns import FeatureColumns
from sampleformer.tables.format import TableFormat
from sampleformer.tables.table import SUFFIXES, Table, read_table

TABLES = (NODES, EDGES, GRAPHS, PAIRS)
_ENDINGS = (*SUFFIXES, *(f"{suffix}.gz" for suffix in SUFFIXES))


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
    tables: TableFormat | None = None,
) -> GraphRows:
    """Reads graphs: a folder of tables, a table of edges, or a file .npz or .pt.

    Args:
        path: of the file or folder, or of each table.
        format: how it is read.
        on_error: "stop" at the first wrong row, or "skip": the graph that it belongs to is left out.
        columns: names of the columns that describe nodes, and of those that describe edges, where the format does not
            say. None: all that are not for anything else.
        tables: how files of tables are written, where they do not say.

    Raises:
        InputError: if something is wrong with a file, a column or a row.
    """
    paths = path if isinstance(path, GraphPaths) else GraphPaths(path)
    suffix = "" if paths.path is None else Path(paths.path).suffix.lower()
    if suffix == ".npz":
        return _rows_of_archive(str(paths.path), format)
    if suffix == ".pt":
        return rows_of_pyg(str(paths.path), read_pyg_file(str(paths.path)), format)
    return _rows_of_tables(paths.tables(), format, on_error, columns, tables)


def read_like_others(
    path: str | os.PathLike[str], format: GraphFormat, on_error: str, tables: TableFormat | None = None
) -> GraphRows:
    """Reads graphs that must be like those that taught their format.

    Raises:
        InputError: as `read_graphs`; or if edges lead one way only here or only there.
    """
    rows = read_graphs(path, format, on_error, tables=tables)
    if rows.graphs[0].directed != format.directed:
        words = ("undirected", "directed")
        raise InputError(
            f"{path}: found {words[not format.directed]} graphs, expected {words[format.directed]} ones as in the "
            "training data"
        )
    return rows


def _completed(format: GraphFormat, tables: dict[str, Table], keys: KeyColumns, asked: Asked) -> GraphFormat:
    """The format with the columns that describe nodes and edges."""
    found = []
    for name, given, wanted in (
        (NODES, format.node_columns, asked[0]),
        (EDGES, format.edge_columns, asked[1]),
    ):
        table = tables.get(name)
        if given is None and table is not None:
            left_out = {*keys.taken(name), *format.left_out}
            if wanted is not None:
                _check_asked(table, wanted, format.left_out)
                left_out = set(table.columns) - set(wanted)
            given = FeatureColumns.of(table, left_out)
        found.append(given or FeatureColumns())
    return replace(format, node_columns=found[0], edge_columns=found[1])


def _check_asked(table: Table, columns: list[str], left_out: tuple[str, ...]) -> None:
    for name in columns:
        table.column(name)  # or an error that names the nearest
        if name in left_out:
            raise InputError(f"{table.path}: column {name!r} is both input and label or split, expected one of them")


def _rows_of_archive(path: str, format: GraphFormat) -> GraphRows:
    archive = read_graph_archive(path)
    columns = {} if archive.targets is None else target_columns(archive.targets)
    if archive.splits is not None:
        columns["split"] = [SPLITS[number] for number in archive.splits.tolist()]
    if archive.folds is not None:
        columns["fold"] = archive.folds.tolist()
    try:
        raw, codes = raw_graphs(archive.graphs, format.codes, integers=archive.integers)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return graph_rows(path, raw, columns, format=replace(format, codes=codes), used=[f"{path}: {archive.used}"])


def _rows_of_tables(
    paths: dict[str, str], format: GraphFormat, on_error: str, asked: Asked, written: TableFormat | None
) -> GraphRows:
    # Graphs may have no edges, but then their nodes must be listed.
    tables = {
        name: read_table(path, format=written, empty_allowed=name == EDGES and NODES in paths)
        for name, path in paths.items()
    }
    pairs = tables.pop(PAIRS, None)
    nodes, edges, graphs = (tables.get(name) for name in (NODES, EDGES, GRAPHS))
    keys = KeyColumns.of(tables, format.left_out)
    learning = format.node_columns is None and format.edge_columns is None
    format = _completed(format, tables, keys, asked)
    parsed = parse_graph_tables(
        nodes,
        edges,
        graphs,
        keys=keys,
        node_columns=format.node_columns,
        edge_columns=format.edge_columns,
        on_error=on_error,
        learning=learning,
    )
    where = paths.get("graphs") or paths.get("nodes") or paths["edges"]
    if not parsed:
        raise InputError(f"{where}: found no graph that can be used, expected at least one")
    raw = np.empty(len(parsed), dtype=object)
    raw[:] = [RawGraph.of_table_graph(graph, format.directed) for graph in parsed]
    names = [graph.name for graph in parsed]
    rows = GraphRows(
        where,
        {"id": names},
        range(1, len(raw) + 1),
        graphs=raw,
        nodes=nodes,
        pairs=pairs,
        format=format,
        graph_names=names,
        used=_used(tables, keys, format),
    )
    return rows if graphs is None else _listed(graphs, [graph.row for graph in parsed], rows)


def _used(tables: dict[str, Table], keys: KeyColumns, format: GraphFormat) -> list[str]:
    """A line for each table that says what its columns are used for."""
    lines = []
    for name, columns in ((NODES, format.node_columns), (EDGES, format.edge_columns), (GRAPHS, None)):
        if name not in tables:
            continue
        named = {
            NODES: f"named by {keys.node!r}" if keys.node is not None else "counted from 0, as no column names them",
            EDGES: f"from {keys.source!r} to {keys.target!r}",
            GRAPHS: "",
        }[name]
        graph = keys.graph.get(name)
        asked = [column for column in tables[name].columns if column in format.left_out]
        used = {*keys.taken(name).difference(keys.repeated.get(name, ())), *asked}
        used |= {*columns.numbers, *columns.categories} if columns is not None else set()
        unused = [column for column in tables[name].columns if column not in used]
        parts = [
            named,
            f"graph {graph!r}" if graph is not None else "",
            columns.words if columns is not None else "",
            f"label or split {listed(asked)}" if asked else "",
            f"not used: {listed(unused)}" if unused else "",
        ]
        lines.append(f"{tables[name].path}: {name}: " + "; ".join(part for part in parts if part))
    return lines


def _listed(table: Table, kept: list[int], rows: GraphRows) -> GraphRows:
    """The rows of the table of graphs whose graphs can be used."""
    return replace(
        rows,
        path=table.path,
        decimal=table.decimal,
        columns=dict(rows.columns) | {name: [values[row] for row in kept] for name, values in table.columns.items()},
        rows=[table.rows[row] for row in kept],
        lines=None if table.lines is None else [table.lines[row] for row in kept],
        unreadable=len(table) - len(kept),
    )


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
