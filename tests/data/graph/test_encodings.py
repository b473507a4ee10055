"""Encodings of the places of nodes."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data.graph import encodings
from sampleformer.data.graph.encodings import laplacian_encodings, random_walk_encodings
from sampleformer.data.graph.graph import Graph
from sampleformer.errors import InputError
from tests.naive import graphs

Ends = list[tuple[int, int]]


def graph(order: int, ends: Ends, directed: bool = False) -> Graph:
    return Graph(
        np.arange(order), np.array(ends, dtype=np.int64).reshape(-1, 2), np.zeros((len(ends), 0)), directed=directed
    )


@st.composite
def drawn_graphs(draw: st.DrawFn) -> tuple[int, Ends]:
    """Small graphs with isolated nodes, self-loops, double edges and several components."""
    order = draw(st.integers(1, 9))
    node = st.integers(0, order - 1)
    return order, draw(st.lists(st.tuples(node, node), max_size=14))


def far_graph(order: int, seed: int = 0) -> Ends:
    """A random tree with a few more edges: connected, with different eigenvalues."""
    random = np.random.default_rng(seed)
    tree = [(int(random.integers(max(0, i - 20), i)), i) for i in range(1, order)]
    return tree + [tuple(random.integers(order, size=2).tolist()) for _ in range(order // 10)]


@given(drawn_graphs(), st.integers(0, 7))
def test_returns_agree_with_the_twin(drawn: tuple[int, Ends], steps: int) -> None:
    found = random_walk_encodings(graph(*drawn), steps)
    assert (found.dtype, found.shape) == (np.float32, (drawn[0], steps))
    torch.testing.assert_close(torch.from_numpy(found), graphs.returns(*drawn, steps).float(), atol=1e-6, rtol=0)


@given(drawn_graphs(), st.integers(0, 10))
def test_eigenvectors_agree_with_the_twin(drawn: tuple[int, Ends], count: int) -> None:
    order, ends = drawn
    found = laplacian_encodings(graph(*drawn), count)
    assert (found.dtype, found.shape) == (np.float32, (order, count))
    matrix = graphs.laplacian(*drawn).numpy()
    for nodes in graphs.components(*drawn):
        part = matrix[np.ix_(nodes, nodes)]
        values = np.linalg.eigvalsh(part)
        vectors = found[nodes].astype(np.float64)
        real = min(count, len(nodes) - 1)
        assert np.abs(vectors[:, real:]).max(initial=0) == 0
        vectors = vectors[:, :real]
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(real), atol=1e-5)
        np.testing.assert_allclose(part @ vectors, vectors * values[1 : 1 + real], atol=1e-5)
        degrees = graphs.adjacency(order, ends).sum(dim=1).numpy()[nodes]
        np.testing.assert_allclose(np.sqrt(degrees) @ vectors, np.zeros(real), atol=1e-5)


@given(drawn_graphs())
def test_the_largest_entry_is_positive(drawn: tuple[int, Ends]) -> None:
    found = laplacian_encodings(graph(*drawn), 6)
    for nodes in graphs.components(*drawn):
        for vector in found[nodes].T:
            assert vector.max() >= -vector.min() * (1 - 1e-5)


@given(drawn_graphs(), drawn_graphs())
def test_a_graph_beside_another_is_encoded_as_if_alone(one: tuple[int, Ends], other: tuple[int, Ends]) -> None:
    both = graph(one[0] + other[0], one[1] + [(a + one[0], b + one[0]) for a, b in other[1]])
    first = laplacian_encodings(graph(*one), 4)
    np.testing.assert_allclose(laplacian_encodings(both, 4)[: one[0]], first, atol=1e-5)
    alone = random_walk_encodings(graph(*one), 4)
    np.testing.assert_allclose(random_walk_encodings(both, 4)[: one[0]], alone, atol=1e-6)


def test_directions_do_not_matter() -> None:
    ends = far_graph(12)
    turned = [(b, a) if i % 2 else (a, b) for i, (a, b) in enumerate(ends)]
    for encode in (laplacian_encodings, random_walk_encodings):
        np.testing.assert_allclose(encode(graph(12, ends), 5), encode(graph(12, turned, directed=True), 5), atol=1e-6)


@pytest.mark.parametrize("order", [40, 300])
def test_sparse_and_dense_eigenvectors_agree(order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = graph(order, far_graph(order))
    dense = laplacian_encodings(made, 6)
    monkeypatch.setattr(encodings, "_DENSE_NODES", 10)
    np.testing.assert_allclose(laplacian_encodings(made, 6), dense, atol=1e-5)


def test_a_long_path_is_decomposed_though_its_eigenvalues_are_close() -> None:
    order = 3000
    found = laplacian_encodings(graph(order, [(i, i + 1) for i in range(order - 1)]), 3)
    place = np.arange(order) / (order - 1)
    for step in (1, 2, 3):
        expected = np.cos(np.pi * step * place)
        expected[[0, -1]] /= np.sqrt(2)  # D^(1/2)
        expected /= np.linalg.norm(expected)
        np.testing.assert_allclose(np.abs(found[:, step - 1]), np.abs(expected), atol=1e-5)


def test_walks_followed_in_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made = graph(50, far_graph(50))
    whole = random_walk_encodings(made, 5)
    monkeypatch.setattr(encodings, "_BLOCK_NUMBERS", 170)
    np.testing.assert_array_equal(random_walk_encodings(made, 5), whole)


def test_known_returns() -> None:
    triangle_with_loop = graph(4, [(0, 1), (1, 2), (2, 0), (0, 0)])
    found = random_walk_encodings(triangle_with_loop, 2)
    np.testing.assert_allclose(found[:, 0], [0.5, 0, 0, 0])
    np.testing.assert_allclose(found[:, 1], [0.25 + 0.25, 0.125 + 0.25, 0.125 + 0.25, 0])


@pytest.mark.parametrize("encode", [laplacian_encodings, random_walk_encodings])
def test_graphs_without_edges_and_without_nodes(encode: object) -> None:
    assert callable(encode)
    assert encode(graph(3, []), 2).tolist() == [[0, 0]] * 3
    assert encode(graph(0, []), 2).shape == (0, 2)


def test_evaluation_is_deterministic() -> None:
    made = graph(1500, far_graph(1500))
    np.testing.assert_array_equal(laplacian_encodings(made, 4), laplacian_encodings(made, 4))


def test_numbers_must_not_be_negative() -> None:
    with pytest.raises(ValueError, match="count is -1, expected at least 0"):
        laplacian_encodings(graph(1, []), -1)
    with pytest.raises(ValueError, match="steps is -1, expected at least 0"):
        random_walk_encodings(graph(1, []), -1)


def test_without_scipy_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(InputError, match=r'needs the package scipy: pip install "sampleformer\[graph\]"'):
        laplacian_encodings(graph(2, [(0, 1)]), 1)
