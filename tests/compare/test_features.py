"""Numbers of samples for simple models: what they count, and what does not change them."""

from __future__ import annotations

import numpy as np
import pytest

from sampleformer.compare.features.clouds import point_numbers, shape_numbers
from sampleformer.compare.features.graphs import carried, graph_numbers, motifs, node_numbers, pair_numbers
from sampleformer.compare.features.molecules import molecule_numbers
from sampleformer.compare.features.parts import Parts, moments
from sampleformer.compare.features.texts import grams
from sampleformer.errors import InputError
from sampleformer.sample import Sample


def test_molecules_count_and_do_not_see_the_order_of_atoms() -> None:
    numbers = molecule_numbers(["CCO", "OCC", "CCCCO", "[Na+].[Cl-]", "C"])
    assert numbers.dtype == np.float32
    assert np.isfinite(numbers).all()
    np.testing.assert_allclose(numbers[0], numbers[1], rtol=1e-5)
    circles, paths = numbers[:, :2048], numbers[:, 2048:3072]
    assert circles[0].sum() == 6  # three atoms, two ends with a bond around them, one middle; radius 2 adds nothing new
    assert circles[2].max() > 1
    assert circles[4].sum() == 1
    assert paths.sum(axis=1).tolist() == [0, 0, 2, 0, 0]  # C-C-C-C and C-C-C-O


def test_a_text_that_is_no_molecule_is_named() -> None:
    with pytest.raises(InputError, match="^row 2: 'C1CC' is not a valid SMILES.*expected a molecule$"):
        molecule_numbers(["CC", "C1CC"])


def graph(ends: list[tuple[int, int]], features: np.ndarray) -> Sample:
    return Sample(features, None, "", ends=np.array(ends, np.int32).reshape(-1, 2))


def test_graphs_do_not_depend_on_the_order_of_nodes() -> None:
    random = np.random.default_rng(0)
    codes, ends = random.integers(0, 3, (7, 2)), random.integers(0, 7, (9, 2))
    order = random.permutation(7)
    one = graph(ends.tolist(), codes)
    other = graph(order[ends].tolist(), codes[np.argsort(order)])
    np.testing.assert_allclose(graph_numbers(one, [3, 3]), graph_numbers(other, [3, 3]))
    np.testing.assert_allclose(node_numbers(one, [3, 3]), node_numbers(other, [3, 3])[order])


def test_neighbourhoods_tell_graphs_apart_whose_degrees_are_equal() -> None:
    """A ring of six and two triangles: all degrees are 2; triangles are counted, neighbourhoods are the same."""
    ring = graph([(node, (node + 1) % 6) for node in range(6)], np.zeros((6, 1), np.int64))
    triangles = graph([(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)], np.zeros((6, 1), np.int64))
    differs = graph_numbers(ring, [1]) != graph_numbers(triangles, [1])
    assert differs.any()
    path = graph([(0, 1), (1, 2), (2, 3)], np.array([[0], [1], [0], [1]]))
    turned = graph([(0, 1), (1, 2), (2, 3)], np.array([[0], [1], [1], [0]]))
    assert (graph_numbers(path, [2])[-512:] != graph_numbers(turned, [2])[-512:]).any()


def test_motifs_of_a_square_with_one_diagonal() -> None:
    ends = np.array([[0, 1], [1, 2], [2, 3], [3, 0], [0, 2]])
    degrees = np.array([3.0, 2.0, 3.0, 2.0])
    assert motifs(ends, degrees).tolist() == [2.0, 8.0, 0.75, 1.0]


def test_nodes_see_two_steps() -> None:
    found = node_numbers(graph([(0, 1), (1, 2), (3, 3)], np.array([[1.0], [2.0], [6.0], [5.0]])))
    # what they carry, means over neighbours, means of these; a loop is no neighbour
    np.testing.assert_allclose(found[:, :3], [[1, 2, 3.5], [2, 3.5, 2], [6, 2, 3.5], [5, 0, 0]])
    np.testing.assert_allclose(np.expm1(found[:, 3]), [1, 2, 1, 0])


def test_codes_and_numbers_that_nodes_carry() -> None:
    assert carried(Sample(np.array([[1, 0], [0, 2]]), None, ""), [2, 3]).tolist() == [[0, 1, 1, 0, 0], [1, 0, 0, 0, 1]]
    assert carried(Sample(np.zeros((2, 0), np.float32), None, ""), []).shape == (2, 0)


def test_pairs_of_nodes() -> None:
    sample = Sample(
        np.zeros((4, 1)),
        None,
        "",
        level="pair",
        ends=np.array([[0, 1], [1, 2], [0, 3], [3, 2]]),
        pairs=np.array([[0, 2], [0, 1]]),
    )
    found = pair_numbers(sample)
    np.testing.assert_allclose(found[0], [2, 1, 2 / np.log(2), np.log(5), 2, 2])
    assert found[1].tolist()[:3] == [0, 0, 0]


def cloud(points: np.ndarray, normals: np.ndarray | None = None) -> Sample:
    return Sample(
        np.zeros((len(points), 0), np.float32), None, "", coordinates=points.astype(np.float32), normals=normals
    )


def test_a_turned_shape_keeps_its_distances() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(60, 3)) * [3, 2, 1]
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    one, other = shape_numbers(cloud(points)), shape_numbers(cloud(points @ turn.T))
    np.testing.assert_allclose(one[6:62], other[6:62], rtol=1e-3, atol=1e-4)  # spread, radii and distances
    assert np.abs(one[3:6] - other[3:6]).max() > 0.01  # extents along the axes


@pytest.mark.parametrize("points", [1, 2, 300])
def test_shapes_of_any_size_have_as_many_numbers(points: int) -> None:
    random = np.random.default_rng(0)
    made = cloud(random.normal(size=(points, 3)), random.normal(size=(points, 3)).astype(np.float32))
    numbers = shape_numbers(made)
    assert numbers.shape == (12 + 9 + 9 + 32 + 27 + 9 + 3,)
    assert np.isfinite(numbers).all()
    assert point_numbers(made).shape == (points, 16)


def test_runs_of_codes() -> None:
    first, second = grams(np.array([1, 2, 1, 2]), 2), grams(np.array([2, 1, 2, 1]), 2)
    assert first[:4].tolist() == [1, 2, 1, 2]
    assert first[4] == first[6] == second[5]  # 1 2
    assert first[4] != second[4]  # 2 1
    assert len(grams(np.array([1, 2, 1, 2]), 3)) == 4 + 3 + 2
    assert len(grams(np.zeros(0, np.int64), 3)) == 0


def test_columns_that_are_all_the_same_are_an_error() -> None:
    parts = Parts(np.zeros((3, 2)), np.zeros((1, 2)), np.zeros((1, 2)))
    with pytest.raises(InputError, match="nothing to learn from"):
        parts.chosen(np.array([False, False]))
    assert parts.chosen(np.array([True, False])).test.shape == (1, 1)
    assert moments(np.zeros((0, 2))).tolist() == [0] * 8
