"""Columns that name graphs, nodes and the ends of edges."""

import itertools
import json
import logging
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data import GraphFiles
from sampleformer.data.graph.graph_format import GraphFormat
from sampleformer.data.graph.graph_reading import read_graphs
from sampleformer.data.graph.graph_tables import parse_graph_tables
from sampleformer.data.graph.key_columns import KeyColumns
from sampleformer.data.graph.raw_graph import RawGraph
from sampleformer.errors import InputError
from sampleformer.tables.format import TableFormat
from sampleformer.tables.table import Table
from tests.training.small import write_csv

NODES = ["node", "Node", "node_id", "nodeId", "Node ID", "node-name", "id", "Id", "ID", "name", "key", "vertex"]
ROW_NUMBERS = ["", "Unnamed: 0", "index", "__index_level_0__", "level_0"]
OTHERS = ["user_id", "paperId", "Person ID"]
SIDES = [
    *[
        ("source", "target"),
        ("Source", "Target"),
        ("src", "dst"),
        ("from", "to"),
        ("u", "v"),
        ("source_id", "target_id"),
    ],
    *[("FromNodeId", "ToNodeId"), ("node1", "node2"), ("head", "tail"), ("start", "end"), ("i", "j")],
]
JOINED = [(5, 7), (7, 1), (1, 6), (2, 3)]


def table(name: str, columns: dict[str, list]) -> Table:
    rows = len(next(iter(columns.values())))
    return Table(name, columns, range(1, rows + 1))


def joined(graph: RawGraph) -> set[tuple[str, str]]:
    assert graph.names is not None
    return {(graph.names[source], graph.names[target]) for source, target in graph.ends.tolist()}


@pytest.mark.parametrize("order", ["up", "down", "from 1", "texts"])
@pytest.mark.parametrize("name", [*NODES, *ROW_NUMBERS, *OTHERS])
def test_a_column_of_names_names_the_nodes(tmp_path: Path, name: str, order: str) -> None:
    numbers = {"up": range(8), "down": range(7, -1, -1), "from 1": range(1, 9), "texts": range(8)}[order]
    text = (lambda value: f"n{value}") if order == "texts" else str
    write_csv(
        tmp_path / "nodes.csv", [name, "age"], [[text(number), 20 + place] for place, number in enumerate(numbers)]
    )
    write_csv(tmp_path / "edges.csv", ["source", "target"], [[text(end) for end in pair] for pair in JOINED])
    rows = read_graphs(tmp_path, GraphFormat())
    assert rows.format.node_columns is not None
    assert (rows.format.node_columns.numbers, rows.format.node_columns.categories) == (("age",), ())
    assert joined(rows.graphs[0]) == {(text(source), text(target)) for source, target in JOINED}
    ages = dict(zip(rows.graphs[0].names, rows.graphs[0].numbers[:, 0], strict=True))
    assert ages[text(5)] == 20 + list(numbers).index(5)
    assert rows.used[0] == f"{tmp_path / 'nodes.csv'}: nodes: named by {name or 'Unnamed: 0'!r}; numbers age"


@pytest.mark.parametrize("sides", SIDES)
def test_the_usual_names_of_ends(tmp_path: Path, sides: tuple[str, str]) -> None:
    write_csv(tmp_path / "edges.csv", ["weight", *reversed(sides)], [[1, target, source] for source, target in JOINED])
    rows = read_graphs(tmp_path, GraphFormat(directed=True))
    assert joined(rows.graphs[0]) == {(str(source), str(target)) for source, target in JOINED}
    assert rows.used == [f"{tmp_path / 'edges.csv'}: edges: from {sides[0]!r} to {sides[1]!r}; numbers weight"]


@pytest.mark.parametrize("name", ["graph", "Graph", "graph_id", "GraphID", "graph name"])
def test_the_usual_names_of_graphs(tmp_path: Path, name: str) -> None:
    write_csv(tmp_path / "nodes.csv", ["id", name, "x"], [[0, "a", 1], [1, "a", 2], [0, "b", 3], [1, "b", 4]])
    write_csv(tmp_path / "edges.csv", [name, "src", "dst"], [["b", 0, 1], ["a", 1, 0]])
    write_csv(tmp_path / "graphs.csv", ["id" if name == "graph" else name, "y", "size"], [["b", 1, 5], ["a", 0, 6]])
    rows = read_graphs(tmp_path, GraphFormat(left_out=("y",)))
    assert (rows.graph_names, [graph.order for graph in rows.graphs]) == (["b", "a"], [2, 2])
    assert [graph.numbers[:, 0].tolist() for graph in rows.graphs] == [[3, 4], [1, 2]]
    assert rows.used[2].endswith("; not used: size")


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(["id", "name", "user_id"], 2)))
def test_of_two_columns_that_of_the_ends_names_the_nodes(one: str, other: str) -> None:
    nodes = table("nodes.csv", {one: ["x", "y", "z"], other: ["3", "1", "2"], "age": ["1", "2", "3"]})
    for ends, expected in ((["x", "y"], one), (["1", "3"], other)):
        keys = KeyColumns.of({"nodes": nodes, "edges": table("edges.csv", {"source": ends, "target": ends})})
        assert (keys.node, keys.repeated["nodes"]) == (expected, (other if expected == one else one,))


def test_a_column_node_goes_before_all_others() -> None:
    nodes = table("nodes.csv", {"id": ["0", "1"], "node": ["a", "b"], "": ["0", "1"]})
    edges = table("edges.csv", {"source": ["a"], "target": ["b"], "id": ["17"], "Unnamed: 0": ["0"]})
    keys = KeyColumns.of({"nodes": nodes, "edges": edges})
    assert (keys.node, keys.repeated) == ("node", {"nodes": ("id", ""), "edges": ("id", "Unnamed: 0")})


def test_a_label_and_a_split_name_nothing() -> None:
    nodes = table("nodes.csv", {"id": ["0", "1"], "name": ["a", "b"]})
    edges = table("edges.csv", {"source": ["a"], "target": ["b"]})
    assert KeyColumns.of({"nodes": nodes, "edges": edges}, ["id"]).node == "name"


def test_a_name_that_several_nodes_have_describes_them() -> None:
    nodes = table("nodes.csv", {"name": ["C", "C", "O"], "charge": ["0", "1", "0"]})
    edges = table("edges.csv", {"source": ["0"], "target": ["2"]})
    keys = KeyColumns.of({"nodes": nodes, "edges": edges})
    assert (keys.node, keys.taken("nodes")) == (None, set())


def test_the_only_column_with_the_ends_of_the_edges_names_the_nodes() -> None:
    nodes = table("nodes.csv", {"size": ["5", "7"], "package": ["libc6", "bash"], "section": ["libs", "shells"]})
    edges = table("edges.csv", {"from": ["bash"], "to": ["libc6"]})
    keys = KeyColumns.of({"nodes": nodes, "edges": edges})
    assert (keys.node, keys.taken("nodes")) == ("package", {"package"})


def test_row_numbers_of_a_file_of_several_graphs_name_nothing() -> None:
    nodes = table("nodes.csv", {"Unnamed: 0": ["0", "1", "2", "3"], "graph": ["a", "a", "b", "b"]})
    edges = table("edges.csv", {"graph": ["a", "b"], "source": ["0", "0"], "target": ["1", "1"]})
    keys = KeyColumns.of({"nodes": nodes, "edges": edges})
    assert (keys.node, keys.repeated["nodes"]) == (None, ("Unnamed: 0",))


@pytest.mark.parametrize(
    ("nodes", "edges", "message"),
    [
        (
            {"rank": ["3", "1", "2"]},
            {"source": ["1"], "target": ["2"]},
            "nodes.csv: column 'node' is missing; all ends of edges are among the values of 'rank', which are all",
        ),
        (
            {"person": ["p1", "p2"], "partner": ["p2", "p1"]},
            {"source": ["p1"], "target": ["p2"]},
            "nodes.csv: column 'node' is missing; all ends of edges are among the values of 'person', which are all",
        ),
        (
            {"mol_id": ["a", "a", "b"], "charge": ["1", "2", "3"]},
            {"mol_id": ["a", "b"], "source": ["0", "0"], "target": ["1", "0"]},
            "nodes.csv: column 'node' is missing; 'mol_id' is in the table of edges too: call it 'graph' in both if",
        ),
        ({"id": ["1"]}, {"from": ["1"], "weight": ["1"]}, "edges.csv: column 'source' is missing"),
        ({"id": ["1"]}, {"source": ["1"], "weight": ["1"]}, "edges.csv: column 'target' is missing"),
    ],
)
def test_places_are_never_guessed(nodes: dict[str, list], edges: dict[str, list], message: str) -> None:
    with pytest.raises(InputError) as raised:
        KeyColumns.of({"nodes": table("nodes.csv", nodes), "edges": table("edges.csv", edges)})
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["a"], "found a list of 1 value, expected the name of a node"),
        ({"a": 1}, "found an object of 1 name, expected the name of a node"),
        (b"a", "found bytes that are no text, 1 of them, expected the name of a node"),
        (2.0**53, "found 9007199254740992.0, a number whose last digits are lost, expected the whole name of a node"),
        ("9.00719925474e+15", "found '9.00719925474e+15', a number whose last digits are lost"),
        ("1.23E+18", "found '1.23E+18', a number whose last digits are lost"),
    ],
)
@pytest.mark.parametrize("column", ["node", "source", "target"])
def test_what_is_no_name(tmp_path: Path, column: str, value: object, message: str) -> None:
    tables = {"node": [str(number) for number in range(3)]}, {"source": ["0", "1"], "target": ["1", "2"]}
    nodes, edges = ({name: list(values) for name, values in each.items()} for each in tables)
    (nodes if column == "node" else edges)[column][1] = value
    with pytest.raises(InputError) as raised:
        parse_graph_tables(table("nodes.csv", nodes), table("edges.csv", edges))
    where = "nodes.csv" if column == "node" else "edges.csv"
    assert str(raised.value).startswith(f"{where}: row 2: column {column!r}: {message}")


def test_whole_numbers_of_any_length_are_names() -> None:
    names = [2**53, 2**53 + 1, 10**30]
    keys = KeyColumns.of({"nodes": table("n", {"id": names}), "edges": table("e", {"u": [names[1]], "v": [names[2]]})})
    assert keys.node == "id"


def test_columns_that_are_asked_for_are_used(tmp_path: Path) -> None:
    write_csv(tmp_path / "nodes.csv", ["id", "age", "team"], [[k, k % 5, "ab"[k % 2]] for k in range(30)])
    write_csv(tmp_path / "edges.csv", ["u", "v"], [[k, (k * 7) % 30] for k in range(30)])
    rows = GraphFiles(str(tmp_path), "team", columns=["id"]).read()
    assert rows.format.node_columns is not None
    assert rows.format.node_columns.numbers == ("id",)
    with pytest.raises(InputError, match="column 'team' is both input and label or split, expected one of them"):
        GraphFiles(str(tmp_path), "team", columns=["age", "team"]).read()


def test_each_table_is_said_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    columns = ["Unnamed: 0", "id", "age", "language", "team"]
    write_csv(tmp_path / "nodes.csv", columns, [[k, 30 - k, k % 5, "en", "ab"[k % 2]] for k in range(30)])
    write_csv(tmp_path / "edges.csv", ["src", "dst", "hours"], [[k + 1, (k * 7) % 30 + 1, 3] for k in range(30)])
    with caplog.at_level(logging.INFO, logger="sampleformer"):
        GraphFiles(str(tmp_path), "team", identifiers=0).load()
    nodes, edges = (tmp_path / name for name in ("nodes.csv", "edges.csv"))
    assert caplog.messages[:2] == [
        f"{nodes}: nodes: named by 'id'; numbers age; categories language; label or split team; not used: Unnamed: 0",
        f"{edges}: edges: from 'src' to 'dst'; numbers hours",
    ]


@pytest.mark.parametrize("table_name", ["nodes", "edges"])
@pytest.mark.parametrize("value", [[1, 2], {"a": 1}])
def test_lists_and_objects_describe_nothing(tmp_path: Path, table_name: str, value: object) -> None:
    rows = {
        "nodes": [{"node": k, "kind": "ab"[k % 2]} for k in range(4)],
        "edges": [{"source": k, "target": k + 1, "kind": "ab"[k % 2]} for k in range(3)],
    }
    rows[table_name][2]["kind"] = value  # type: ignore[assignment]
    for name, objects in rows.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in objects))
    with pytest.raises(
        InputError,
        match=rf"{table_name}.jsonl: row 3 .*column 'kind': found (a list of 2 values|an object of 1 name), expected",
    ):
        read_graphs(tmp_path, GraphFormat())


def test_a_number_too_far_from_those_of_the_training_is_refused(tmp_path: Path) -> None:
    def write(folder: Path, most: float) -> Path:
        folder.mkdir()
        write_csv(folder / "nodes.csv", ["id", "team"], [[k, "ab"[k % 2]] for k in range(30)])
        write_csv(folder / "edges.csv", ["u", "v", "w"], [[k, (k * 7) % 30, most * k] for k in range(30)])
        return folder

    encoding = GraphFiles(str(write(tmp_path / "small", 1e-10)), "team", identifiers=0).load().encoding
    large = write(tmp_path / "large", 1e35)
    with pytest.raises(InputError, match=r"edges: number 0 of 1: found 1e\+35, too far from the mean of the"):
        encoding.read(large, targets=False)
    with pytest.raises(InputError, match="found no row that can be used"):
        encoding.read(large, targets=False, on_error="skip")


def test_numbers_are_the_same_in_any_order_of_rows(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [[k, int(random.integers(50)), "ab"[k % 2]] for k in range(30)]
    found = []
    for order in (range(30), random.permutation(30)):
        write_csv(tmp_path / "nodes.csv", ["id", "age", "team"], [rows[k] for k in order])
        write_csv(tmp_path / "edges.csv", ["u", "v"], [[k, (k * 7) % 30] for k in range(30)])
        (graph,) = read_graphs(tmp_path, GraphFormat(left_out=("team",))).graphs
        ages = dict(zip(graph.names, graph.numbers[:, 0], strict=True))
        found.append({(s, t, ages[s], ages[t]) for s, t in joined(graph)})
    assert found[0] == found[1]


def test_a_number_beside_which_all_others_vanish_is_refused(tmp_path: Path) -> None:
    rows = [[k, k % 7 if k < 29 else 1e30, "ab"[k % 2]] for k in range(30)]
    write_csv(tmp_path / "nodes.csv", ["id", "age", "team"], rows)
    write_csv(tmp_path / "edges.csv", ["u", "v"], [[k, (k * 7) % 30] for k in range(30)])
    with pytest.raises(
        InputError, match=r"nodes.csv: row 30 \(line 31\): column 'age': found 1e\+30, beside which most"
    ):
        GraphFiles(str(tmp_path), "team", identifiers=0).load()


def test_tables_of_graphs_are_read_as_other_programs_write_them(tmp_path: Path) -> None:
    text = "id;größe;team\n" + "".join(f"{k};{k},5;{'ab'[k % 2]}\n" for k in range(30))
    (tmp_path / "nodes.csv").write_bytes(text.encode("cp1252"))
    (tmp_path / "edges.csv").write_text("u;v\n" + "".join(f"{k};{(k * 7) % 30}\n" for k in range(30)))
    written = TableFormat(separator=";", encoding="cp1252", decimal=",")
    with pytest.raises(InputError, match="found '0,5', expected a finite number; give --decimal , if"):
        GraphFiles(str(tmp_path), "team", format=TableFormat(separator=";", encoding="cp1252")).load()
    splits = GraphFiles(str(tmp_path), "team", identifiers=0, format=written).load()
    assert splits.encoding.model_inputs["features"] == 1
    assert len(splits.encoding.read(tmp_path, targets=True)) == 1


@pytest.mark.parametrize("column", ["node", "source", "target"])
def test_messages_stay_short_whatever_a_name_is(tmp_path: Path, column: str) -> None:
    long = "n" * 5000
    rows = [[k] for k in range(5)] + ([[long], [long]] if column == "node" else [])
    write_csv(tmp_path / "nodes.csv", ["node"], rows)
    ends = {"node": [0, 1], "source": [long, 1], "target": [0, long]}[column]
    write_csv(tmp_path / "edges.csv", ["source", "target"], [ends])
    with pytest.raises(InputError, match=rf"column {column!r}: found 'nnn") as raised:
        read_graphs(tmp_path, GraphFormat())
    assert len(str(raised.value)) < 600
