"""Columns that name graphs, nodes and the ends of edges."""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from sampleformer.errors import InputError, shown
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table
from sampleformer.tables.values import EXACT, label_text, value_words

NODES, EDGES, GRAPHS, PAIRS = "nodes", "edges", "graphs", "pairs"

_ROW_NUMBERS = ("index", "idx", "", "unnamed0", "indexlevel0", "level0", "rownames", "rowid", "rownumber")
_IDS = ("id", "ids", "uid", "uuid", "guid")
_OF_NODES = tuple(f"{of}{what}" for of in ("node", "vertex") for what in ("", "id", "name", "index", "idx", "number"))
_OF_GRAPHS = tuple(f"graph{what}" for what in ("", "id", "name", "index", "idx", "number", "indicator"))
_OF_EDGES = ("edge", "edgeid", "edgeindex", "edgeidx", "edgenumber", "linkid")
_SAID = ("name", "key")  # what may as well describe a node: they name it only where each is different
_SIDES = (
    *(("source", "target"), ("src", "dst"), ("src", "dest"), ("source", "destination"), ("from", "to")),
    *(("head", "tail"), ("sender", "receiver"), ("node1", "node2"), ("nodea", "nodeb"), ("nodei", "nodej")),
    *(("nodeid1", "nodeid2"), ("id1", "id2"), ("u", "v"), ("i", "j"), ("start", "end")),
)
_ENDS = tuple(
    (f"{source}{what}", f"{target}{what}")
    for what, (source, target) in product(("", "id", "node", "nodeid", "name", "nodename", "index", "idx"), _SIDES)
)
_ENDS_IN_ID = re.compile(r"(?:^|[^a-zA-Z])(?:id|ID|Id)$|[a-z](?:Id|ID)$")
_ROUNDED = re.compile(r"[+-]?\d(?:\.\d+)?[eE]\+?(\d+)")
_EXCEL_ROUNDS = 11  # the power of ten from which on Excel writes whole numbers so
_SCALARS = (str, int, float, decimal.Decimal, datetime.date, datetime.time)

Key = tuple[str | None, str]


@dataclass(frozen=True)
class KeyColumns:
    """Names of the columns that say which graph, which node or which ends a row is about.

    Case, blanks and punctuation do not matter: `Node ID` is `node_id`. Nodes are named by "node", "node_id",
    "vertex", "id" and the like, by another column that ends in "id" or by "name" where each is different, by the
    row numbers of another program, or by the only column that holds all ends of edges, if these are not numbers.
    Edges have "source" and "target", "src" and "dst", "from" and "to", "u" and "v" and the like.

    Args:
        node: name of each node, in the table of nodes. None: the nodes of each graph are counted from 0.
        source, target: ends of each edge, in the table of edges.
        graph: name of the graph, in each table that tells it.
        repeated: columns of each table that number or name its rows once more, and so describe nothing.
    """

    node: str | None = None
    source: str = "source"
    target: str = "target"
    graph: Mapping[str, str] = field(default_factory=dict)
    repeated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, tables: Mapping[str, Table], left_out: Collection[str] = ()) -> KeyColumns:
        """The columns of some tables.

        Args:
            tables: those of "nodes", "edges" and "graphs" that there are.
            left_out: columns that are for something else: labels, splits.

        Raises:
            InputError: if there is no column for the ends of the edges, or none for the names of nodes or graphs but
                one that may be meant.

        Example:
            >>> nodes = Table("nodes.csv", {"Node ID": ["b", "a"], "age": ["1", "2"]}, [1, 2])
            >>> edges = Table("edges.csv", {"src": ["a"], "dst": ["b"]}, [1])
            >>> keys = KeyColumns.of({"nodes": nodes, "edges": edges})
            >>> keys.node, keys.source, keys.target
            ('Node ID', 'src', 'dst')
        """
        graph = {name: found for name, table in tables.items() if (found := _first(table, _OF_GRAPHS, left_out))}
        if GRAPHS in tables and GRAPHS not in graph:
            found = _first(tables[GRAPHS], (*_IDS, *_SAID, *_ROW_NUMBERS), left_out)
            graph |= {GRAPHS: found} if found is not None else {}
        source, target = _ends_of(tables[EDGES], left_out) if EDGES in tables else ("source", "target")
        repeated = {EDGES: _numbering(tables[EDGES], (source, target))} if EDGES in tables else {}
        if NODES not in tables:
            return cls(None, source, target, graph, repeated)
        names = _NodeNames(tables[NODES], tables.get(EDGES), cls(None, source, target, graph), left_out)
        node, others = names.choose()
        return cls(node, source, target, graph, repeated | {NODES: others})

    @property
    def ends(self) -> tuple[str, str]:
        """The columns of both ends of an edge."""
        return self.source, self.target

    def taken(self, table: str) -> set[str]:
        """The columns of a table that describe neither nodes nor edges."""
        named = {NODES: (self.node,), EDGES: self.ends}.get(table, ())
        return {name for name in (*named, self.graph.get(table), *self.repeated.get(table, ())) if name is not None}


def read_names(table: Table, column: str, of: str, report: RowReport) -> list[str | None]:
    """The names in a column as texts; those that are missing are None, and what cannot be a name is reported.

    The number 1.0 is the name "1". A number of so many digits that other programs round it is none.

    Args:
        table: the table.
        column: its name.
        of: names what the column names, in messages.
        report: is told of wrong rows.
    """
    found = []
    for row, value in enumerate(table.column(column)):
        if value is not None and not isinstance(value, _SCALARS):
            report.add(row, f"column {column!r}: found {value_words(value)}, expected the name of a {of}")
            value = None
        elif _is_rounded(value):
            report.add(
                row,
                f"column {column!r}: found {shown(value)}, a number whose last digits are lost, expected the whole "
                f"name of a {of}",
            )
        found.append(label_text(value))
    return found


def _is_rounded(value: Any) -> bool:
    if isinstance(value, str):
        power = _ROUNDED.fullmatch(value.strip())
        return power is not None and len(power.group(1)) < 4 and int(power.group(1)) >= _EXCEL_ROUNDS
    return isinstance(value, float) and abs(value) >= EXACT


def usual(name: str) -> str:
    """A column's name without case, blanks and punctuation."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _first(table: Table, names: Iterable[str], left_out: Collection[str]) -> str | None:
    """The first of some usual names among the columns of a table, under the name that it has there."""
    return next(iter(_all(table, names, left_out)), None)


def _all(table: Table, names: Iterable[str], left_out: Collection[str]) -> list[str]:
    by_name: dict[str, list[str]] = {}
    for column in sorted(table.columns, key=lambda column: column != usual(column)):
        if column not in left_out:
            by_name.setdefault(usual(column), []).append(column)
    return [column for name in names for column in by_name.get(name, [])]


def _ends_of(table: Table, left_out: Collection[str]) -> tuple[str, str]:
    for names in _ENDS:
        source, target = (_first(table, (name,), left_out) for name in names)
        if source is not None and target is not None:
            return source, target
    for name in ("source", "target"):
        table.column(name)  # an error that names the nearest
    raise InputError(f"{table.path}: columns 'source' and 'target' are label or split, expected the ends of edges")


def _numbering(table: Table, keys: Collection[str]) -> tuple[str, ...]:
    """The columns of a table of edges that number its rows."""
    names = _all(table, (*_IDS, *_OF_EDGES, *_ROW_NUMBERS), keys)
    return tuple(
        name for name in names if _all_different([(None, text) for text in map(label_text, table.column(name))])
    )


class _NodeNames:
    """Chooses the column of a table of nodes that names them.

    Args:
        nodes: the table.
        edges: table of edges, or None.
        keys: columns of the ends, and of the graph.
        left_out: columns that are for something else.
    """

    def __init__(self, nodes: Table, edges: Table | None, keys: KeyColumns, left_out: Collection[str]) -> None:
        self.nodes, self.edges, self.keys = nodes, edges, keys
        self.left_out = {*left_out, *keys.taken(NODES)}
        self.graphs = self._graphs(nodes, NODES)
        self.ends = self._ends()

    def choose(self) -> tuple[str | None, tuple[str, ...]]:
        """The column, None to count the nodes; and those that name them once more."""
        candidates = self._candidates()
        found = "node" if "node" in candidates else next(filter(self._covers, candidates), None)
        if found is None:
            # Row numbers of the whole file, where edges count the nodes of each graph, name nothing.
            named = (name for name in candidates if usual(name) not in _ROW_NUMBERS or not self._counts_rows(name))
            found = next(named, None)
        if found is None:
            found = self._only_one_with_names()
        if found is None:
            self._refuse_to_guess()
        return found, tuple(name for name in candidates if name != found)

    def _candidates(self) -> list[str]:
        usually = _all(self.nodes, (*_OF_NODES, *_IDS), self.left_out)
        ending = [name for name in self.nodes.columns if _ENDS_IN_ID.search(name) and name not in self.left_out]
        maybe = [*ending, *_all(self.nodes, (*_SAID, *_ROW_NUMBERS), self.left_out)]
        different = [name for name in dict.fromkeys(maybe) if name not in usually and self._names_each(name)]
        return [*usually, *different]

    def _only_one_with_names(self) -> str | None:
        """The only column, whatever it is called, that holds all ends of the edges, where those cannot be places."""
        if all(text.isdecimal() for _, text in self.ends):
            return None
        others = (name for name in self.nodes.columns if name not in self.left_out)
        found = [name for name in others if self._names_each(name) and self._covers(name)]
        return found[0] if len(found) == 1 else None

    def _refuse_to_guess(self) -> None:
        """Stops where a column may name graphs or nodes, but is not called so."""
        for name in self.nodes.columns:
            if name in self.left_out:
                continue
            if self._names_each(name) and self.ends and self._covers(name) and not self._is_place(name):
                raise InputError(
                    f"{self.nodes.path}: column 'node' is missing; all ends of edges are among the values of "
                    f"{name!r}, which are all different: call it 'node' if it names the nodes, else add a column "
                    "'node' that does"
                )
            if (
                self.edges is not None
                and _ENDS_IN_ID.search(name)
                and name in self.edges.columns
                and not self.keys.graph
            ):
                raise InputError(
                    f"{self.nodes.path}: column 'node' is missing; {name!r} is in the table of edges too: call it "
                    "'graph' in both if it names the graphs, else add a column 'node'"
                )

    def _graphs(self, table: Table, of: str) -> list[str | None]:
        name = self.keys.graph.get(of)
        return [None] * len(table) if name is None else [label_text(value) for value in table.column(name)]

    def _ends(self) -> set[Key]:
        """The graph and the name of each end of an edge; without graphs, if the edges do not tell them."""
        if self.edges is None:
            return set()
        graphs = self._graphs(self.edges, EDGES)
        return {
            (graph, text)
            for column in self.keys.ends
            for graph, value in zip(graphs, self.edges.column(column), strict=True)
            if (text := label_text(value)) is not None
        }

    def _named(self, name: str) -> list[tuple[str | None, str | None]]:
        return list(zip(self.graphs, map(label_text, self.nodes.column(name)), strict=True))

    def _names_each(self, name: str) -> bool:
        return _all_different(self._named(name))

    def _covers(self, name: str) -> bool:
        """Whether all ends of edges are among the names in a column."""
        named = self._named(name)
        if self.keys.graph.get(EDGES) is None:
            return self.ends <= {(None, text) for _, text in named}
        known = set(named) if self.keys.graph.get(NODES) is not None else None
        return known is not None and self.ends <= known

    def _counts_rows(self, name: str) -> bool:
        return [text for _, text in self._named(name)] == [str(row) for row in range(len(self.nodes))]

    def _is_place(self, name: str) -> bool:
        """Whether a column holds the places of the nodes among those of their graph."""
        numbers: dict[str | None, int] = {}
        for graph, text in self._named(name):
            numbers[graph] = numbers.get(graph, -1) + 1
            if text != str(numbers[graph]):
                return False
        return True


def _all_different(named: Sequence[tuple[str | None, str | None]]) -> bool:
    return bool(named) and len(set(named)) == len(named) and all(text is not None for _, text in named)
