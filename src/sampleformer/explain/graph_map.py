"""The choice map of a graph: circles joined by lines, with chosen nodes and edges marked."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from sampleformer.explain.choices import Choices
from sampleformer.explain.drawing import Drawing, graph_strips
from sampleformer.explain.edge_paths import edge_paths
from sampleformer.explain.graph_layout import graph_layout
from sampleformer.explain.html import escape
from sampleformer.explain.strips import pooling_strip
from sampleformer.wording import count

NODES = 400
"""Nodes of the largest graph that is drawn."""

EDGES = 1000
"""Edges of the largest graph that is drawn."""

_KINDS = ("node", "edge")
_NAMED = 100  # nodes of the largest graph whose nodes show their names
_LONGEST = 6  # characters of the longest name that fits into a circle
_WIDTH = 980.0
_EDGE = (62.0, 130.0)  # pixels of an edge: the more, the closer the nodes lie
_RADIUS = 12.0


def graph_map(
    names: Sequence[str],
    pieces: Sequence[str],
    ends: Int[np.ndarray, "edges 2"],
    choices: Choices,
    pooling: Float[np.ndarray, " tokens"] | None = None,
) -> str:
    """The graph with chosen nodes and edges marked; a large one as strips alone.

    Args:
        names: of the nodes, as the user's data calls or counts them.
        pieces: what each node shows when it is pointed at.
        ends: places of the two nodes of each edge.
        choices: of every layer and head, over the nodes or over nodes and then edges.
        pooling: weight of each token in the answer; None: not known.
    """
    note = _too_large(len(pieces), len(ends))
    if note:
        return note + graph_strips(choices, pooling, len(pieces), _KINDS)
    return draw_graph(names, pieces, ends).marked(choices, pooling)


def plain_graph(
    names: Sequence[str],
    pieces: Sequence[str],
    ends: Int[np.ndarray, "edges 2"],
    pooling: Float[np.ndarray, " tokens"] | None = None,
) -> str:
    """The graph without choices."""
    note = _too_large(len(pieces), len(ends))
    return note + pooling_strip(pooling, "token") if note else draw_graph(names, pieces, ends).plain(pooling)


def _too_large(nodes: int, edges: int) -> str:
    """The note in the place of a drawing that could not be read."""
    if nodes <= NODES and edges <= EDGES:
        return ""
    return (
        f"<p class='note'>{count(nodes, 'node')} and {count(edges, 'edge')}: too many for a drawing, which is made for "
        f"up to {NODES:,} nodes and {EDGES:,} edges.</p>\n"
    )


def draw_graph(names: Sequence[str], pieces: Sequence[str], ends: Int[np.ndarray, "edges 2"]) -> Drawing:
    """Draws a graph; small ones with the name of each node, if all are short.

    Args:
        names: of the nodes, as the user's data calls or counts them.
        pieces: what each node shows when it is pointed at.
        ends: places of the two nodes of each edge.
    """
    positions, radius = _in_pixels(graph_layout(len(pieces), ends), ends)
    nodes = [f"node {piece or name}" for name, piece in zip(names, pieces, strict=True)]
    edges = _edge_names(names, ends)
    are_few = len(names) <= _NAMED and max(map(len, names), default=0) <= _LONGEST
    width, height = positions.max(axis=0) + positions.min(axis=0)
    return Drawing(
        lines=_lines(positions, ends, radius),
        letters=_letters(names, positions, radius) if are_few else "",
        size=(float(width), float(height)),
        positions=positions,
        ends=ends,
        radius=radius,
        kinds=_KINDS,
        names=nodes + edges,
        title=f"Graph of {count(len(pieces), 'node')} and {count(len(ends), 'edge')}",
    )


def _edge_names(names: Sequence[str], ends: Int[np.ndarray, "edges 2"]) -> list[str]:
    """Name of each edge by its two nodes; several between the same two are counted."""
    found: list[str] = []
    before: Counter[tuple[int, int]] = Counter()
    for a, b in ends.tolist():
        before[a, b] += 1
        found.append(f"edge {names[a]}–{names[b]}{f' ({before[a, b]})' if before[a, b] > 1 else ''}")
    return found


def _in_pixels(
    layout: Float[np.ndarray, "n 2"], ends: Int[np.ndarray, "edges 2"]
) -> tuple[Float[np.ndarray, "n 2"], float]:
    """Positions within the page, and the radius of a node; most nodes do not touch each other."""
    gaps = np.sqrt(((layout[:, None] - layout[None]) ** 2).sum(axis=-1))
    np.fill_diagonal(gaps, 1.0)  # an edge is about as long
    near = float(np.quantile(gaps.min(axis=1), 0.1))
    scale = min(np.clip(3.2 * _RADIUS / max(near, 1e-9), *_EDGE), _WIDTH / max(float(np.ptp(layout[:, 0])), 1e-9))
    radius = float(np.clip(0.42 * near * scale, _RADIUS / 4, _RADIUS))
    loops = np.unique(ends[ends[:, 0] == ends[:, 1], 0], return_counts=True)[1].max(initial=0)
    return layout * scale + (1 + loops) * radius, radius


def _lines(positions: Float[np.ndarray, "n 2"], ends: Int[np.ndarray, "edges 2"], radius: float) -> str:
    paths = edge_paths(positions, ends, radius)
    lines = [f'<path class="edge-{place}" d="{path}"/>\n' for place, path in enumerate(paths)]
    nodes = [
        f'<circle class="node-{place}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>\n'
        for place, (x, y) in enumerate(positions)
    ]
    return "".join(lines + nodes)


def _letters(names: Sequence[str], positions: Float[np.ndarray, "n 2"], radius: float) -> str:
    """The name of each node, as large as fits in its circle."""
    sizes = [min(1.1, 2.6 / max(1, len(name))) * radius for name in names]
    return "".join(
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}">{escape(name)}</text>\n'
        for name, size, (x, y) in zip(names, sizes, positions, strict=True)
    )
