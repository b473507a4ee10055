import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampleformer.explain.graph_layout import graph_layout


def distances(places: np.ndarray) -> np.ndarray:
    return np.linalg.norm(places[:, None] - places[None], axis=-1)


def path(nodes: int) -> np.ndarray:
    return np.stack([np.arange(nodes - 1), np.arange(1, nodes)], axis=1)


def test_a_path_is_drawn_in_its_order() -> None:
    places = graph_layout(12, path(12))
    apart = distances(places)
    assert np.ptp(places[:, 0]) > np.ptp(places[:, 1])  # the long side lies across
    assert (np.diff(apart[0]) > 0).all()
    assert np.median(apart[np.arange(11), np.arange(1, 12)]) == pytest.approx(1)


def test_a_ring_is_round() -> None:
    ends = np.array([[place, (place + 1) % 10] for place in range(10)])
    places = graph_layout(10, ends)
    from_middle = np.linalg.norm(places - places.mean(axis=0), axis=1)
    assert np.ptp(from_middle) < 0.05 * from_middle.mean()


def test_joined_nodes_lie_nearer_than_others() -> None:
    grid = [(5 * i + j, 5 * i + j + step) for i in range(5) for j in range(5) for step in (1, 5)]
    ends = np.array([(a, b) for a, b in grid if b < 25 and (b - a == 5 or b % 5)])
    apart = distances(graph_layout(25, ends))
    joined = np.zeros((25, 25), bool)
    joined[ends[:, 0], ends[:, 1]] = True
    joined |= joined.T
    others = ~joined & ~np.eye(25, dtype=bool)
    assert apart[joined].mean() < 0.5 * apart[others].mean()


def test_parts_lie_beside_each_other() -> None:
    ends = np.concatenate([path(5), path(4) + 5, path(3) + 9])  # and three nodes alone
    places = graph_layout(15, ends)
    parts = [range(5), range(5, 9), range(9, 12), [12], [13], [14]]
    boxes = [(places[list(part)].min(axis=0), places[list(part)].max(axis=0)) for part in parts]
    for first in range(len(boxes)):
        for second in range(first):
            (low, high), (other_low, other_high) = boxes[first], boxes[second]
            assert (low > other_high + 0.5).any() or (other_low > high + 0.5).any()


def test_leaves_of_a_star_do_not_fall_together() -> None:
    apart = distances(graph_layout(21, np.array([[0, leaf] for leaf in range(1, 21)])))
    assert apart[~np.eye(21, dtype=bool)].min() > 0.1


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_every_graph_has_places_of_its_own(data: st.DataObject) -> None:
    nodes = data.draw(st.integers(1, 14))
    node = st.integers(0, nodes - 1)
    ends = np.array(data.draw(st.lists(st.tuples(node, node), max_size=30)), dtype=int).reshape(-1, 2)
    places = graph_layout(nodes, ends)
    assert np.isfinite(places).all()
    assert places.min() >= 0
    apart = distances(places) + 9 * np.eye(nodes)
    assert apart.min() > 0.01
    assert (graph_layout(nodes, ends) == places).all()
    assert (graph_layout(nodes, ends[::-1, ::-1]) == places).all()  # neither order nor direction of edges matters
