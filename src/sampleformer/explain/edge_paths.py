"""Edges of a drawn graph as SVG paths: straight lines, curves beside each other for double edges, loops."""

from collections import Counter

import numpy as np
from jaxtyping import Float, Int

_APART = 0.16  # how far each further edge between the same two nodes bends, in lengths of the edge


def edge_paths(positions: Float[np.ndarray, "n 2"], ends: Int[np.ndarray, "edges 2"], radius: float) -> list[str]:
    """The path of each edge from the rim of one node to the rim of the other.

    Args:
        positions: of the nodes.
        ends: places of the two nodes of each edge.
        radius: of a node; 0: paths run from centre to centre.

    Example:
        >>> edge_paths(np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([[0, 1]]), 2.0)
        ['M2.0 0.0L8.0 0.0']
    """
    drawn: Counter[tuple[int, int]] = Counter()
    paths = []
    for source, target in ends.tolist():
        pair = (min(source, target), max(source, target))
        bend = drawn[pair]
        drawn[pair] += 1
        if source == target:
            paths.append(_loop(positions[source], radius, bend))
        else:
            paths.append(_line(positions[pair[0]], positions[pair[1]], radius, bend))
    return paths


def _line(start: Float[np.ndarray, "2"], end: Float[np.ndarray, "2"], radius: float, bend: int) -> str:
    """A straight line, or for the second, third … edge of a pair a curve, to the left and the right in turn."""
    along = end - start
    length = float(np.hypot(*along))
    cut = along * (min(radius / length, 0.45) if length else 0.0)
    first, last = start + cut, end - cut
    if bend == 0:
        return f"M{_point(first)}L{_point(last)}"
    side = (bend + 1) // 2 * (1 if bend % 2 else -1)
    middle = (start + end) / 2 + 2 * _APART * side * np.array([-along[1], along[0]])
    return f"M{_point(first)}Q{_point(middle)} {_point(last)}"


def _loop(centre: Float[np.ndarray, "2"], radius: float, bend: int) -> str:
    """A loop above the node, larger for each further one."""
    side, up = np.array([radius * 0.6, 0.0]), np.array([0.0, -radius])
    out, top = np.array([radius * (1.3 + bend / 2), 0.0]), up * (2.6 + bend)
    foot = centre + 0.8 * up
    corners = [foot - side, foot - side - out + top, foot + side + out + top, foot + side]
    start, *rest = [_point(corner) for corner in corners]
    return f"M{start}C{' '.join(rest)}"


def _point(place: Float[np.ndarray, "2"]) -> str:
    return f"{place[0]:.1f} {place[1]:.1f}"
