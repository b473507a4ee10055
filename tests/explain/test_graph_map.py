import re

import numpy as np
import pytest

from sampleformer.explain.choices import Choices
from sampleformer.explain.graph_map import EDGES, NODES, draw_graph, graph_map, plain_graph
from tests.explain.pages import Page, chosen_cells


def triangle() -> np.ndarray:
    return np.array([[0, 1], [1, 2], [2, 0]])


def places(nodes: int) -> list[str]:
    """Names of nodes that the user's data does not name."""
    return [str(place) for place in range(nodes)]


def random_choices(tokens: int, layers: int = 2, heads: int = 3) -> Choices:
    chosen = np.random.default_rng(0).random((layers, heads, tokens)) < 0.4
    return Choices(chosen, np.zeros((layers, heads), int))


def curve(corners: np.ndarray) -> np.ndarray:
    """Points of the line, or of the Bézier curve, with these corners, by de Casteljau's steps."""
    points = np.repeat(corners[None], 50, axis=0)
    part = np.linspace(0, 1, 50)[:, None, None]
    while points.shape[1] > 1:
        points = (1 - part) * points[:, :-1] + part * points[:, 1:]
    return points[:, 0]


def test_chosen_nodes_and_edges_are_marked() -> None:
    choices = random_choices(6)
    page = Page(graph_map(["Ann", "0", "<Bo>"], ["Ann: old", "", "<Bo>"], triangle(), choices))
    names = ["node Ann: old", "node 0", "node <Bo>", "edge Ann–0", "edge 0–<Bo>", "edge <Bo>–Ann"]
    counts = choices.counts
    assert {name: page.strengths[name] for name in names} == {
        name: (f"chosen by {number} of 6", pytest.approx(number / counts.max(), abs=1e-2))
        for name, number in zip(names, counts, strict=True)
    }
    (data,) = page.choices
    assert (chosen_cells(data["chosen"][1][2], 6) == choices.chosen[1, 2]).all()


def test_small_graphs_show_the_names_of_the_users_data() -> None:
    names = [*places(11), "a<b"]
    shown = re.findall(r"<text [^>]*>([^<]+)</text>", plain_graph(names, [""] * 12, triangle()))
    assert shown == [*places(11), "a&lt;b"]
    assert "<text" not in plain_graph(places(200), [""] * 200, triangle())
    assert "<text" not in plain_graph([*places(11), "a long name"], [""] * 12, triangle())


def test_double_edges_and_loops_are_drawn_apart() -> None:
    ends = np.array([[0, 1], [0, 1], [1, 0], [1, 1], [1, 1]])
    html = graph_map(places(2), ["", ""], ends, random_choices(7))
    marks = re.findall(r'<path d="([^"]+)" style', html)
    lines = re.findall(r'<path class="edge-\d" d="([^"]+)"', html)
    assert marks == lines
    assert len(set(marks)) == 5
    drawing = draw_graph(places(2), ["", ""], ends)
    rim = drawing.radius + 2
    for path in marks:  # nothing beyond the frame
        points = curve(np.array(re.findall(r"-?[\d.]+", path), dtype=float).reshape(-1, 2))
        assert (points >= -rim).all()
        assert (points <= np.array(drawing.size) + rim).all()


@pytest.mark.parametrize("nodes", [1, 2, 9])
def test_a_graph_without_edges(nodes: int) -> None:
    choices = random_choices(nodes)
    page = Page(graph_map(places(nodes), [""] * nodes, np.zeros((0, 2), int), choices))
    assert list(page.strengths) == [f"node {place}" for place in range(nodes)]
    assert page.choices[0]["many"] == "nodes"
    assert f"the first node on the left, the last of {nodes} on the right" in page.text


@pytest.mark.parametrize(("nodes", "edges"), [(NODES + 1, 10), (100, EDGES + 1)])
def test_large_graphs_are_strips_and_a_note(nodes: int, edges: int) -> None:
    random = np.random.default_rng(0)
    ends, weights = random.integers(nodes, size=(edges, 2)), random.dirichlet(np.ones(nodes + edges))
    page = Page(graph_map(places(nodes), [""] * nodes, ends, random_choices(nodes + edges), weights))
    assert f"{nodes:,} nodes and {edges:,} edges: too many for a drawing" in page.text
    assert (len(page.images), page.strengths, page.choices) == (3, {}, [])  # two layers and the pooling
    plain = Page(plain_graph(places(nodes), [""] * nodes, ends, weights))
    assert "too many for a drawing" in plain.text
    assert len(plain.images) == 1


def test_the_largest_graph_that_is_drawn_fits_the_page() -> None:
    ends = np.random.default_rng(0).integers(NODES, size=(EDGES, 2))
    drawing = draw_graph(places(NODES), [""] * NODES, ends)
    assert drawing.size[0] <= 1040
    html = graph_map(places(NODES), [""] * NODES, ends, random_choices(NODES + EDGES))
    assert len(Page(html).strengths) == NODES + EDGES
    assert len(html) < 500_000
