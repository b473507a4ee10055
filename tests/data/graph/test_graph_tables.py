"""Graphs from tables of nodes, edges and graphs."""

import logging
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data.graph.graph_tables import parse_graph_tables
from sampleformer.data.graph.table_graph import TableGraph
from sampleformer.errors import InputError
from sampleformer.tables.feature_columns import FeatureColumns
from sampleformer.tables.table import Table, read_table

KEYS = ["graph", "node", "source", "target"]


class Files:
    """Writes tables into a folder and reads graphs from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def table(self, name: str, text: str | None) -> Table | None:
        if text is None:
            return None
        (self.folder / name).write_text(text)
        read = read_table(self.folder / name)
        return Table(name, read.columns, read.rows, read.lines)

    def __call__(
        self, nodes: str | None, edges: str | None, graphs: str | None = None, on_error: str = "stop"
    ) -> list[TableGraph]:
        tables = [self.table("nodes.csv", nodes), self.table("edges.csv", edges), self.table("graphs.csv", graphs)]
        columns = [None if table is None else FeatureColumns.of(table, KEYS) for table in tables[:2]]
        return parse_graph_tables(*tables, node_columns=columns[0], edge_columns=columns[1], on_error=on_error)


@pytest.fixture
def parse(tmp_path: Path) -> Files:
    return Files(tmp_path)


NODES = "graph,node,mass,kind\ng,a,1,x\nh,a,2.5,y\ng,b,-3,\ng,c,4,x\n"
EDGES = "graph,source,target,length,bond\ng,c,a,1.5,single\nh,a,a,2,\ng,a,b,3,double\ng,b,a,4,single\n"


def test_nodes_edges_and_their_features(parse: Files) -> None:
    first, second = parse(NODES, EDGES)
    assert (first.name, first.nodes, first.node_rows.tolist()) == ("g", ["a", "b", "c"], [0, 2, 3])
    assert first.node_numbers.tolist() == [[1], [-3], [4]]
    assert first.node_categories.tolist() == [["x"], [""], ["x"]]
    assert (first.ends.tolist(), first.edge_rows.tolist()) == ([[2, 0], [0, 1], [1, 0]], [0, 2, 3])
    assert first.edge_numbers.tolist() == [[1.5], [3], [4]]
    assert first.edge_categories.tolist() == [["single"], ["double"], ["single"]]
    assert (second.name, second.nodes, second.ends.tolist()) == ("h", ["a"], [[0, 0]])
    assert (first.row, second.row) == (-1, -1)
    assert first.node_numbers.dtype == np.float64


def test_gaps_are_kept_and_counted(parse: Files, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    (graph,) = parse(nodes="node,x,kind\na,1,\nb,,k\nc,NA,k\n", edges="source,target,w\na,b,\nb,c,2\n")
    np.testing.assert_array_equal(graph.node_numbers, [[1], [np.nan], [np.nan]])
    np.testing.assert_array_equal(graph.edge_numbers, [[np.nan], [2]])
    assert [line.partition(": ")[2] for line in caplog.messages] == ["gaps: x 2", "gaps: w 1"]


def test_the_table_of_graphs_gives_the_order(parse: Files) -> None:
    found = parse(NODES, EDGES, "graph,label\nh,1\ng,0\n")
    assert [(graph.name, graph.row, len(graph.ends)) for graph in found] == [("h", 0, 1), ("g", 1, 3)]


def test_one_graph_is_named_like_its_file(parse: Files) -> None:
    (graph,) = parse("node\n1\n2\n3\n", "source,target\n1.0,3\n3,1\n3,1\n")
    assert (graph.name, graph.nodes, graph.ends.tolist()) == ("nodes.csv", ["1", "2", "3"], [[0, 2], [2, 0], [2, 0]])
    assert (graph.node_numbers.shape, graph.edge_categories.shape) == ((3, 0), (3, 0))


def test_without_ids_nodes_are_counted_from_zero_in_each_graph(parse: Files) -> None:
    first, second = parse("graph,x\ng,1\nh,2\nh,3\ng,4\n", "graph,source,target\nh,0,1\ng,1,1\n")
    assert (first.nodes, first.node_numbers[:, 0].tolist(), first.ends.tolist()) == (["0", "1"], [1, 4], [[1, 1]])
    assert (second.nodes, second.node_numbers[:, 0].tolist(), second.ends.tolist()) == (["0", "1"], [2, 3], [[0, 1]])


def test_an_edge_list_alone(parse: Files) -> None:
    (graph,) = parse(None, "source,target,weight\nb,a,1\na,c,2\n")
    assert (graph.name, graph.nodes, graph.ends.tolist()) == ("edges.csv", ["b", "a", "c"], [[0, 1], [1, 2]])
    assert graph.node_rows.tolist() == [-1, -1, -1]
    assert (graph.node_numbers.shape, graph.edge_numbers.tolist()) == ((3, 0), [[1], [2]])


def test_edge_lists_of_several_graphs(parse: Files) -> None:
    first, second = parse(None, "graph,source,target\n1,0,1\n2,0,0\n1,1,2\n")
    assert (first.nodes, first.ends.tolist()) == (["0", "1", "2"], [[0, 1], [1, 2]])
    assert (second.nodes, second.ends.tolist()) == (["0"], [[0, 0]])


def test_edges_need_no_graph_if_no_two_graphs_share_an_id(parse: Files) -> None:
    first, second = parse("graph,node\ng,1\ng,2\nh,3\nh,4\n", "source,target\n4,3\n1,2\n")
    assert (first.ends.tolist(), second.ends.tolist()) == ([[0, 1]], [[1, 0]])


def test_graphs_without_edges(parse: Files) -> None:
    first, second = parse("graph,node\ng,1\ng,2\nh,3\n", "source,target\n1,2\n")
    assert (first.ends.shape, second.ends.shape) == ((1, 2), (0, 2))
    assert [graph.ends.shape for graph in parse("graph,node\ng,1\ng,2\nh,3\n", None)] == [(0, 2), (0, 2)]


@pytest.mark.parametrize(
    ("nodes", "edges", "graphs", "message"),
    [
        (
            "node\na\nb\n",
            "source,target\na,b\na,z\n",
            None,
            "edges.csv: row 2 (line 3): column 'target': found 'z', expected the id of a node",
        ),
        (
            "node\na\nb\na\n",
            None,
            None,
            "nodes.csv: row 3 (line 4): column 'node': found 'a' again (first in row 1 (line 2)), expected each id "
            "once in a graph",
        ),
        ("node,x\na,1\nb,-inf\n", None, None, "nodes.csv: row 2 (line 3): column 'x': found '-inf', expected a fin"),
        ("node\na\n", "source,target,w\na,a,inf\n", None, "edges.csv: row 1 (line 2): column 'w': found 'inf', exp"),
        ("node,x\n,1\n", None, None, "nodes.csv: row 1 (line 2): column 'node': the id is missing"),
        ("node\na\n", "source,target\n,a\n", None, "edges.csv: row 1 (line 2): column 'source': the id is missing"),
        ("graph,node\n,a\n", None, None, "nodes.csv: row 1 (line 2): column 'graph': the name of the graph is missing"),
        (
            "graph,node\ng,a\nh,b\n",
            "source,target\na,b\n",
            None,
            "edges.csv: row 1 (line 2): column 'target': 'b' is a node of graph 'h', expected one of the edge's "
            "graph 'g'",
        ),
        (
            "graph,node\ng,a\nh,b\n",
            "graph,source,target\nh,a,b\n",
            None,
            "edges.csv: row 1 (line 2): column 'source': 'a' is a node of graph 'g', expected one of the edge's "
            "graph 'h'",
        ),
        (
            "graph,node\ng,a\nh,a\nh,b\n",
            "source,target\na,b\n",
            None,
            "edges.csv: row 1 (line 2): column 'source': 'a' is a node of 2 graphs, expected a column 'graph' that "
            "says which",
        ),
        ("node\na\n", "graph,source,target\ng,a,a\n", None, "nodes.csv: column 'graph' is missing; allowed: node"),
        ("node\na\n", "from,target\na,a\n", None, "edges.csv: column 'source' is missing; allowed: from, target"),
        (
            "graph,node\ng,a\n",
            None,
            "graph\ng\nh\n",
            "graphs.csv: row 2 (line 3): column 'graph': 'h' has no nodes in nodes.csv, expected at least one",
        ),
        (
            "graph,node\ng,a\nh,b\n",
            None,
            "graph\ng\n",
            "nodes.csv: row 2 (line 3): column 'graph': found 'h', expected a graph that graphs.csv lists",
        ),
        (
            "graph,node\ng,a\n",
            None,
            "graph\ng\ng\n",
            "graphs.csv: row 2 (line 3): column 'graph': found 'g' again (first in row 1 (line 2)), expected each "
            "graph once",
        ),
        (None, None, None, "graphs from tables: found neither nodes nor edges, expected at least one of the two"),
    ],
)
def test_bad_tables(parse: Files, nodes: str | None, edges: str | None, graphs: str | None, message: str) -> None:
    with pytest.raises(InputError) as raised:
        parse(nodes, edges, graphs)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("nodes", "edges", "kept"),
    [
        ("graph,node\ng,a\nh,b\nh,b\nk,c\n", None, ["g", "k"]),
        ("graph,node,x\ng,a,1\nh,b,inf\nk,c,2\n", None, ["g", "k"]),
        ("graph,node\ng,a\nh,b\nk,c\n", "source,target\na,c\nb,b\n", ["h"]),
        ("graph,node\ng,a\nh,b\nk,c\n", "graph,source,target\nh,a,b\n", ["g", "k"]),
        ("graph,node\ng,a\nh,b\nk,c\n", "source,target\na,z\n", ["h", "k"]),
        (None, "graph,source,target\ng,a,b\nh,a,\nk,c,c\n", ["g", "k"]),
        (None, "graph,source,target\ng,a,b\n,a,b\n", ["g"]),
    ],
)
def test_a_wrong_row_that_is_skipped_leaves_out_its_whole_graph(
    parse: Files, nodes: str | None, edges: str | None, kept: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="sampleformer"):
        assert [graph.name for graph in parse(nodes, edges, on_error="skip")] == kept
    assert sum("skipped 1 wrong row," in message for message in caplog.messages) == 1


def test_known_columns_are_asked_of_another_table() -> None:
    nodes = Table("new.csv", {"node": ["a"], "x": ["one"], "y": ["2"]}, [1])
    with pytest.raises(InputError, match=r"new.csv: row 1: column 'x': found 'one', expected a finite number"):
        parse_graph_tables(nodes, None, node_columns=FeatureColumns(("x",), ("y",)))
    with pytest.raises(InputError, match="new.csv: column 'z' is missing"):
        parse_graph_tables(nodes, None, node_columns=FeatureColumns((), ("z",)))


def test_columns_of_numbers_and_of_categories() -> None:
    columns = {"a": ["1", "2"], "b": [0.5, None], "c": ["1", "x"], "d": ["", None], "e": [True, False]}
    assert FeatureColumns.of(Table("n.csv", columns, [1, 2]), ["a"]) == FeatureColumns(("b", "e"), ("c", "d"))


def test_parquet_ids_that_became_floating_point_numbers_still_match() -> None:
    nodes = Table("n.parquet", {"node": [1.0, 2.0]}, [1, 2])
    edges = Table("e.csv", {"source": ["1"], "target": ["2"]}, [1])
    assert parse_graph_tables(nodes, edges)[0].ends.tolist() == [[0, 1]]
