"""One graph in memory."""

import numpy as np
import pytest

from sampleformer.data.graph.graph import Graph

NONE = np.zeros((0, 2), dtype=np.int64)


def graph(ends: list[list[int]], nodes: int = 3, directed: bool = False) -> Graph:
    places = np.array(ends, dtype=np.int64).reshape(-1, 2)
    return Graph(np.arange(nodes), places, np.arange(len(places), dtype=np.float32)[:, None], directed)


def test_counts() -> None:
    made = graph([[0, 1], [1, 2]], nodes=4)
    assert (made.order, made.size) == (4, 2)


def test_degrees_count_self_loops_twice_and_double_edges_twice() -> None:
    assert graph([[0, 0], [0, 1], [1, 0]], nodes=4).degrees.tolist() == [4, 2, 0, 0]


def test_degrees_without_edges() -> None:
    assert Graph(np.zeros((2, 5)), NONE, np.zeros((0, 0))).degrees.tolist() == [0, 0]


def test_degrees_of_small_unsigned_ends() -> None:
    made = Graph(np.arange(3), np.array([[0, 1], [1, 2]], dtype=np.uint16), np.zeros((2, 0)))
    assert made.degrees.tolist() == [1, 2, 1]


def test_mirrored_interleaves_both_directions() -> None:
    both = graph([[0, 1], [2, 2], [2, 1]]).mirrored()
    assert both.directed
    assert both.ends.tolist() == [[0, 1], [1, 0], [2, 2], [2, 2], [2, 1], [1, 2]]
    assert both.edge_features[:, 0].tolist() == [0, 0, 1, 1, 2, 2]


def test_mirrored_leaves_a_directed_graph_alone() -> None:
    made = graph([[0, 1]], directed=True)
    assert made.mirrored() is made


def test_a_graph_may_have_no_nodes_and_no_edges() -> None:
    assert Graph(np.zeros((0, 3)), NONE, np.zeros((0, 2))).mirrored().size == 0


@pytest.mark.parametrize(
    ("nodes", "ends", "features", "message"),
    [
        (np.zeros((2, 2, 2)), NONE, np.zeros((0, 1)), "nodes have shape (2, 2, 2), expected (nodes,) or (nodes, f"),
        (np.zeros(2), NONE, np.zeros((0, 1)), "nodes of shape (nodes,) have dtype float64, expected integer codes"),
        (np.arange(2), np.zeros((2, 1), int), np.zeros((2, 0)), "ends have shape (2, 1), expected (edges, 2)"),
        (np.arange(2), np.zeros((1, 2)), np.zeros((1, 0)), "ends have dtype float64, expected integers"),
        (np.arange(2), np.array([[0, 1]]), np.zeros((2, 1)), "edge features have shape (2, 1), expected (1, f)"),
        (np.arange(2), np.array([[0, 1]]), np.zeros(1), "edge features have shape (1,), expected (1, f)"),
        (
            np.arange(2),
            np.array([[0, 1], [1, 2]]),
            np.zeros((2, 0)),
            "edge 1 joins 1 and 2, expected nodes from 0 to 1",
        ),
        (np.arange(2), np.array([[-1, 1]]), np.zeros((1, 0)), "edge 0 joins -1 and 1, expected nodes from 0 to 1"),
        (
            np.array([[1.0, np.nan]]),
            NONE,
            np.zeros((0, 1)),
            "feature 1 of node 0 is nan, expected a finite number",
        ),
        (np.arange(2), np.array([[0, 1]]), np.array([[np.inf]]), "feature 0 of edge 0 is inf, expected a finite"),
        (np.array([["a"]]), NONE, np.zeros((0, 1)), "node features have dtype <U1, expected numbers"),
    ],
)
def test_what_is_no_graph(nodes: np.ndarray, ends: np.ndarray, features: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match="expected") as raised:
        Graph(nodes, ends, features)
    assert str(raised.value).startswith(message)
