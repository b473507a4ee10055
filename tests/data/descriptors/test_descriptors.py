"""What each descriptor measures."""

import json
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest

from sampleformer.data.descriptors import (
    DESCRIPTORS,
    Descriptors,
    GraphStatistics,
    InputNumbers,
    MoleculeProperties,
    MorganCounts,
    NeighbourhoodCounts,
    ShapeStatistics,
    TableColumns,
    TorsionCounts,
)
from sampleformer.data.descriptors.base import Descriptor
from sampleformer.data.descriptors.coding import QuantileCoding
from sampleformer.data.graph.molecule_column import Molecule
from sampleformer.data.graph.molecules import molecule_graph
from sampleformer.data.graph.raw_graph import RawGraph
from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.placed_cloud import PlacedCloud
from sampleformer.errors import InputError
from sampleformer.settings import Component
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table

NO_TABLE = Table("none.csv", {}, [])


def measured(descriptor: Descriptor, values: list[Any], table: Table = NO_TABLE) -> np.ndarray:
    rows = np.empty(len(values), dtype=object)
    rows[:] = values
    found = descriptor.measure(rows, table, RowReport(table.path, table.place))
    assert found.shape == (len(values), len(descriptor.names))
    return found


def molecules(*smiles: str) -> list[Molecule]:
    return [Molecule(each, molecule_graph(each)) for each in smiles]


def graph(nodes: int, *ends: tuple[int, int], categories: list[str] | None = None) -> RawGraph:
    carried = np.zeros((nodes, 0), dtype=object) if categories is None else np.array(categories, dtype=object)[:, None]
    joined = np.array(ends, dtype=np.int64).reshape(-1, 2)
    nothing = (np.zeros((len(joined), 0)), np.zeros((len(joined), 0), dtype=object))
    return RawGraph(np.zeros((nodes, 0)), carried, joined, *nothing)


def ring(nodes: int) -> list[tuple[int, int]]:
    return [(node, (node + 1) % nodes) for node in range(nodes)]


def cloud(points: np.ndarray) -> PlacedCloud:
    return PlacedCloud.whole(Cloud(points.astype(np.float32)))


def rotation(seed: int) -> np.ndarray:
    turned, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return turned * np.sign(np.linalg.det(turned))


def test_the_same_molecule_written_in_another_way_has_the_same_numbers() -> None:
    for descriptor in (MorganCounts(), TorsionCounts(), MoleculeProperties()):
        first, second, other = measured(descriptor, molecules("CCO", "OCC", "CCCCCN"))
        np.testing.assert_array_equal(first, second)
        assert (first != other).any() or not first.any()


def test_fragments_are_counted() -> None:
    ethane, hexane = measured(MorganCounts(radius=0), molecules("CC", "CCCCCC"))
    assert (ethane.sum(), ethane.max()) == (2, 2)
    assert hexane.sum() == 6
    assert sorted(hexane[hexane > 0]) == [2, 4]  # ends, and what lies between them
    assert measured(TorsionCounts(), molecules("CCC", "CCCC")).sum(axis=1).tolist() == [0, 1]
    weight = measured(MoleculeProperties(), molecules("O"))[0, MoleculeProperties().names.index("MolWt")]
    assert weight == pytest.approx(18.015, abs=1e-3)


def test_fragments_of_a_molecule_are_named_by_what_they_are() -> None:
    morgan, torsions = MorganCounts(), TorsionCounts()
    smiles = "CCCC(=O)O"
    counted = measured(morgan, molecules(smiles))[0]
    names = {morgan.name_in(int(place), smiles) for place in np.flatnonzero(counted)}
    assert {"fragment C", "fragment CC(=O)O", "fragment CCC"} <= names
    paths = np.flatnonzero(measured(torsions, molecules(smiles))[0])
    assert {torsions.name_in(int(place), smiles) for place in paths} == {
        "torsion CCCC",
        "torsion CCC=O",
        "torsion CCCO",
    }
    absent = int(np.flatnonzero(counted == 0)[0])
    assert morgan.name_in(absent, smiles) == f"Morgan fragment {absent} (not there)"


def test_a_row_that_is_no_molecule_has_nothing() -> None:
    empty = Molecule("", molecule_graph("C"))
    assert not measured(MorganCounts(), [empty]).any()
    assert np.isnan(measured(MoleculeProperties(), [empty])).all()


def test_statistics_of_small_graphs() -> None:
    names = GraphStatistics().names
    rows = measured(
        GraphStatistics(), [graph(3, *ring(3)), graph(4, *ring(4)), graph(5, (0, 1), (1, 0), (2, 2), (3, 4)), graph(1)]
    )
    found = {name: rows[:, place].tolist() for place, name in enumerate(names)}
    assert found["nodes"] == [3, 4, 5, 1]
    assert found["edges"] == [3, 4, 2, 0]
    assert found["triangles"] == [1, 0, 0, 0]
    assert found["squares"] == [0, 1, 0, 0]
    assert found["components"] == [1, 1, 3, 1]
    assert found["independent cycles"] == [1, 1, 0, 0]
    assert found["clustering"] == [1, 0, 0, 0]
    assert found["density"] == [1, pytest.approx(2 / 3), pytest.approx(0.2), 0]
    assert found["share of nodes of degree 2"] == [1, 1, 0, 0]


@pytest.mark.parametrize("seed", range(3))
def test_triangles_and_squares_are_those_of_a_count_by_hand(seed: int) -> None:
    random = np.random.default_rng(seed)
    joined = np.triu(random.random((9, 9)) < 0.5, 1)
    both = joined | joined.T
    found = measured(GraphStatistics(), [graph(9, *map(tuple, np.argwhere(joined).tolist()))])[0]
    triangles = sum(both[a, b] and both[b, c] and both[a, c] for a, b, c in combinations(range(9), 3))
    squares = sum(both[a, b] and both[b, c] and both[c, d] and both[d, a] for a, b, c, d in permutations(range(9), 4))
    names = GraphStatistics().names
    assert found[names.index("triangles")] == triangles
    assert found[names.index("squares")] == squares / 8


def test_neighbourhoods_do_not_depend_on_the_order_of_nodes_and_tell_labels_apart() -> None:
    order = np.array([3, 0, 2, 1])
    kinds = ["a", "b", "b", "c"]
    renamed = graph(4, *[(int(order[i]), int(order[j])) for i, j in ring(4)], categories=_moved(kinds, order))
    first, second, other = measured(
        NeighbourhoodCounts(),
        [graph(4, *ring(4), categories=kinds), renamed, graph(4, *ring(4), categories=["a", "b", "c", "b"])],
    )
    np.testing.assert_array_equal(first, second)
    size = NeighbourhoodCounts().size
    np.testing.assert_array_equal(first[:size], other[:size])  # the same nodes, joined in another way
    assert (first[size:] != other[size:]).any()
    assert first.reshape(-1, size).sum(axis=1).tolist() == [4] * 3


def _moved(kinds: list[str], order: np.ndarray) -> list[str]:
    moved = [""] * len(kinds)
    for place, kind in zip(order.tolist(), kinds, strict=True):
        moved[place] = kind
    return moved


def test_neighbourhoods_are_those_of_the_definition() -> None:
    """Nodes have one colour exactly if what they see within the radius is the same."""
    path = graph(5, (0, 1), (1, 2), (2, 3), (3, 4))
    counts = measured(NeighbourhoodCounts(iterations=3, size=4096), [path]).reshape(4, 4096)
    assert [sorted(row[row > 0].tolist()) for row in counts] == [
        [2, 3],  # degrees 1 and 2
        [1, 2, 2],  # an end; beside an end; the middle
        [1, 2, 2],
        [1, 2, 2],
    ]


def test_a_shape_is_the_same_however_it_is_turned_moved_and_scaled_but_for_its_size() -> None:
    points = np.random.default_rng(1).normal(size=(200, 3)) * [3, 2, 1]
    turned = 5 * points @ rotation(2) + [7, -4, 100]
    first, second = measured(ShapeStatistics(), [cloud(points), cloud(turned)])
    np.testing.assert_allclose(first[1:], second[1:], atol=0.02)  # float32 coordinates, and the borders of bins
    assert second[0] - first[0] == pytest.approx(np.log(5), abs=1e-3)


def test_what_a_shape_measures() -> None:
    names = ShapeStatistics().names
    line, plane, point = measured(
        ShapeStatistics(),
        [
            cloud(np.outer(np.linspace(-1, 1, 50), [1, 1, 0])),
            cloud(np.stack([*np.meshgrid(np.arange(8.0), np.arange(8.0)), np.zeros((8, 8))], -1).reshape(-1, 3)),
            cloud(np.ones((1, 3))),
        ],
    )
    assert line[names.index("extent along axis 1")] == pytest.approx(1, abs=1e-4)
    assert line[names.index("linearity at 50 %")] == pytest.approx(1, abs=1e-3)
    assert plane[names.index("extent along axis 3")] == pytest.approx(0, abs=1e-4)
    assert plane[names.index("surface variation at 100 %")] == pytest.approx(0, abs=1e-4)
    assert np.isfinite(point).all()
    shares = line[names.index("share of distances of pairs in bin 0") :][:32]
    assert shares.sum() == pytest.approx(1)


def test_the_numbers_of_a_row_as_they_are() -> None:
    table = Table("t.csv", {"a": ["1", "2"], "b": ["3", "4"], "y": ["0", "1"]}, [2, 3])
    part = InputNumbers().learn(table, ["a", "b"])
    assert part.names == ["a", "b"]
    values = np.array([[1.5, 3], [2, 4]])
    assert part.measure(values, table, RowReport(table.path, table.place)).tolist() == values.tolist()
    again = InputNumbers.from_json(part.to_json())
    assert again.names == part.names


def test_columns_of_numbers_and_categories_with_gaps() -> None:
    columns = {"age": ["1", "", "3.5"], "kind": ["x", "y", ""], "other": ["a", "b", "c"]}
    table = Table("rows.csv", columns, [1, 2, 3])
    learnt = TableColumns(["age", "kind"]).learn(table, [])
    assert learnt.names == ["age", "kind = x", "kind = y"]
    found = measured(learnt, [None] * 3, table)
    np.testing.assert_array_equal(found, [[1, 1, 0], [np.nan, 0, 1], [3.5, 0, 0]])
    new = Table("new.csv", {"age": ["2"], "kind": ["z"]}, [1])
    np.testing.assert_array_equal(measured(learnt, [None], new), [[2, 0, 0]])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"age": ["1", "old"]}, "column 'age': found 'old', expected"),
        ({"age": ["1", [2]]}, "column 'age': found"),
        ({"agee": ["1", "2"]}, "column 'age' is missing; did you mean 'agee'"),
    ],
)
def test_a_wrong_column_is_named(columns: dict[str, list[Any]], words: str) -> None:
    learnt = TableColumns(["age"], numbers=["age"])
    with pytest.raises(InputError, match=words):
        measured(learnt, [None] * 2, Table("rows.csv", columns, [1, 2]))


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_plain_values_give_the_same_descriptor(name: str) -> None:
    arguments = {"columns": ["age"], "numbers": ["age"]} if name == "columns" else {}
    made = DESCRIPTORS[name](**arguments)
    again = DESCRIPTORS[name].from_json(json.loads(json.dumps(made.to_json())))
    assert again.names == made.names
    assert again.to_json() == made.to_json()


def test_all_descriptors_of_a_run_are_learnt_saved_and_read() -> None:
    table = Table("rows.csv", {"age": list(map(str, range(12)))}, list(range(12)))
    parts = [MorganCounts(size=64), TableColumns(["age"]).learn(table, [])]
    values = molecules(*("CC" + "C" * row + "O" * (row % 3) for row in range(12)))
    found = [measured(part, values, table) for part in parts]
    learnt = Descriptors.learn(parts, found)
    again = Descriptors.from_json(json.loads(json.dumps(learnt.to_json())))
    codes = learnt.encode(found)
    np.testing.assert_array_equal(again.encode(found), codes)
    assert codes.shape == (12, len(learnt.widths))
    assert len(learnt.names) == len(learnt.widths)
    assert learnt.names[-2:] == ["age", "age"]
    assert [learnt.name_in(code, None) for code in range(len(learnt.widths))] == learnt.names
    assert learnt.name_in(0, "CCC").startswith(("fragment ", "Morgan fragment "))
    with pytest.raises(ValueError, match="the coding of 'columns' has the column 1, expected less than 1"):
        Descriptors(learnt.parts[1:], (QuantileCoding((1,), ((0.0, 1.0),), (0.0,), (1.0,), (False,), (False,)),))


@pytest.mark.parametrize(
    ("component", "words"),
    [
        ({"name": "morgn"}, "did you mean 'morgan'"),
        ({"name": "morgan", "size": 0}, "size is 0, expected 1 to 131,072"),
        ({"name": "morgan", "bits": 8}, "descriptors.bits: unknown setting"),
        ({"name": "columns", "columns": []}, "columns is \\[\\], expected names of different columns"),
        ({"name": "columns", "columns": ["a", "a"]}, "expected names of different columns"),
        ({"name": "collections.Counter"}, "expected a class derived from"),
    ],
)
def test_a_wrong_descriptor_is_refused(component: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Component.model_validate(component).build(DESCRIPTORS, "descriptors")
