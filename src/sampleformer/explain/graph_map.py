"""The choice map of a graph: circles joined by lines, with chosen nodes and edges marked."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from sampleformer.explain.choices import Choices
from sampleformer.explain.drawing import Drawing, graph_strips
from sampleformer.explain.edge_paths import edge_paths
from sampleformer.explain.graph_layout import graph_layout
from sampleformer.explain.html import count
from sampleformer.explain.strips import pooling_strip

NODES = 400
"""Nodes of the largest graph that is drawn."""

EDGES = 1000
"""Edges of the largest graph that is drawn."""

_KINDS = ("node", "edge")
_NUMBERED = 100
_WIDTH = 1000.0
_EDGE_PIXELS = 62.0


def graph_map(
    pieces: Sequence[str],
    ends: Int[np.ndarray, "edges 2"],
    choices: Choices,
    pooling: Float[np.ndarray, " tokens"] | None = None,
) -> str:
    """The graph with chosen nodes and edges marked; a large one as strips alone.

    Args:
        pieces: what each node shows when it is pointed at; empty: nothing but its number.
        ends: places of the two nodes of each edge.
        choices: of every layer and head, over the nodes or over nodes and then edges.
        pooling: weight of each token in the answer; None: not known.
    """
    note = _too_large(len(pieces), len(ends))
    if note:
        return note + graph_strips(choices, pooling, len(pieces), _KINDS)
    return draw_graph(pieces, ends).marked(choices, pooling)


def plain_graph(
    pieces: Sequence[str], ends: Int[np.ndarray, "edges 2"], pooling: Float[np.ndarray, " tokens"] | None = None
) -> str:
    """The graph without choices."""
    note = _too_large(len(pieces), len(ends))
    return note + pooling_strip(pooling, "token") if note else draw_graph(pieces, ends).plain(pooling)


def _too_large(nodes: int, edges: int) -> str:
    """The note in the place of a drawing that could not be read."""
    if nodes <= NODES and edges <= EDGES:
        return ""
    return (
        f"<p class='note'>{count(nodes, 'node')} and {count(edges, 'edge')}: too many for a drawing, which is made for "
        f"up to {NODES:,} nodes and {EDGES:,} edges.</p>\n"
    )


def draw_graph(pieces: Sequence[str], ends: Int[np.ndarray, "edges 2"]) -> Drawing:
    """Draws a graph; small ones with the number of each node.

    Args:
        pieces: what each node shows when it is pointed at; empty: nothing but its number.
        ends: places of the two nodes of each edge.
    """
    positions = graph_layout(len(pieces), ends)
    scale = min(_EDGE_PIXELS, _WIDTH / max(float(np.ptp(positions[:, 0])), 1e-9))
    numbered = len(pieces) <= _NUMBERED
    radius = min(scale * 0.2, 12.0) if numbered else min(scale * 0.2, 6.0)
    radius = max(radius, 2.5)
    margin = 2.2 * radius + 6
    positions = positions * scale + margin
    width, height = positions.max(axis=0) + margin
    nodes = [f"node {place}{f' ({piece})' if piece else ''}" for place, piece in enumerate(pieces, start=1)]
    edges = [f"edge {place} ({a + 1}–{b + 1})" for place, (a, b) in enumerate(ends.tolist(), start=1)]
    return Drawing(
        lines=_lines(positions, ends, radius, numbered),
        size=(float(width), float(height)),
        positions=positions,
        ends=ends,
        radius=radius,
        kinds=_KINDS,
        names=nodes + edges,
        title=f"Graph of {count(len(pieces), 'node')} and {count(len(ends), 'edge')}",
    )


def _lines(
    positions: Float[np.ndarray, "n 2"], ends: Int[np.ndarray, "edges 2"], radius: float, numbered: bool
) -> str:
    paths = edge_paths(positions, ends, radius)
    parts = [f'<path class="edge-{place}" d="{path}"/>\n' for place, path in enumerate(paths)]
    for place, (x, y) in enumerate(positions):
        parts.append(f'<circle class="node-{place}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>\n')
        if numbered:
            size = min(radius * 1.1, radius * 2.6 / len(str(place + 1)))
            parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}">{place + 1}</text>\n')
    return "".join(parts)
