"""Where the nodes of a graph are drawn: the same graph always in the same places."""

import numpy as np
from jaxtyping import Bool, Float, Int

_STEPS = 200
_GOLDEN = 2.399963229728653  # the golden angle: points turned by it lie apart from each other
_GAP = 1.2  # between two parts, in lengths of an edge


def graph_layout(nodes: int, ends: Int[np.ndarray, "edges 2"]) -> Float[np.ndarray, "nodes 2"]:
    """Positions such that joined nodes lie near each other; an edge is about 1 long.

    Each connected part starts from the two smoothest eigenvectors of its Laplacian and takes a fixed number of steps
    of attraction along edges and repulsion between all nodes; the parts are then put side by side. No chance is
    involved. Time grows with the square of the nodes.

    Args:
        nodes: their number.
        ends: places of the two nodes of each edge.

    Returns:
        Positions from (0, 0) on.

    References:
        Fruchterman and Reingold, Graph drawing by force-directed placement, Software: Practice and Experience 21,
        1991, section 2.

    Example:
        >>> places = graph_layout(3, np.array([[0, 1], [1, 2]]))
        >>> bool(np.linalg.norm(places[0] - places[2]) > np.linalg.norm(places[0] - places[1]))
        True
    """
    joined = np.zeros((nodes, nodes), dtype=bool)
    joined[ends[:, 0], ends[:, 1]] = True
    joined |= joined.T
    np.fill_diagonal(joined, False)
    positions = np.zeros((nodes, 2))
    parts = _parts(joined)
    blocks = [_forces(_spectral(joined[np.ix_(part, part)]), joined[np.ix_(part, part)]) for part in parts]
    for part, block in zip(parts, _side_by_side(blocks), strict=True):
        positions[part] = block
    return positions


def _parts(joined: Bool[np.ndarray, "n n"]) -> list[Int[np.ndarray, " part"]]:
    """The connected parts, the largest first."""
    left = np.ones(len(joined), dtype=bool)
    parts = []
    for first in range(len(joined)):
        if not left[first]:
            continue
        part = np.zeros(len(joined), dtype=bool)
        rim = part.copy()
        rim[first] = True
        while rim.any():
            part |= rim
            rim = joined[rim].any(axis=0) & ~part
        left &= ~part
        parts.append(np.flatnonzero(part))
    return sorted(parts, key=len, reverse=True)


def _spectral(joined: Bool[np.ndarray, "n n"]) -> Float[np.ndarray, "n 2"]:
    """The start: eigenvectors of the Laplacian, with a little spiral, since twins have the same place in them."""
    size = len(joined)
    places = np.arange(size)
    spiral = np.stack([np.cos(_GOLDEN * places), np.sin(_GOLDEN * places)], axis=1) * np.sqrt(places + 0.5)[:, None]
    if size < 3:
        return np.stack([places, np.zeros(size)], axis=1).astype(np.float64)
    weights = joined.astype(np.float64)
    _, vectors = np.linalg.eigh(np.diag(weights.sum(axis=1)) - weights)
    start = vectors[:, 1:3] * np.sign(vectors[np.abs(vectors[:, 1:3]).argmax(axis=0), [1, 2]])
    return float(np.sqrt(size)) * start / np.abs(start).max(axis=0) + 0.05 * spiral


def _forces(positions: Float[np.ndarray, "n 2"], joined: Bool[np.ndarray, "n n"]) -> Float[np.ndarray, "n 2"]:
    """Steps of at most a length that falls to nothing."""
    reach = 0.15 * np.sqrt(len(positions)) + 0.1
    for step in range(_STEPS if len(positions) > 2 else 0):
        squares = (positions**2).sum(axis=1)
        distance = np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * positions @ positions.T, 1e-6))
        push = 1 / distance**2 - joined * distance  # away from each other node, by the length of the way to it
        force = push.sum(axis=1, keepdims=True) * positions - push @ positions
        length = np.maximum(np.sqrt((force**2).sum(axis=-1, keepdims=True)), 1e-9)
        positions = positions + force / length * np.minimum(length, reach * (1 - step / _STEPS))
    return _upright(positions, joined)


def _upright(positions: Float[np.ndarray, "n 2"], joined: Bool[np.ndarray, "n n"]) -> Float[np.ndarray, "n 2"]:
    """Turned so that the longest extent lies across, and scaled to edges of length 1, the median of them."""
    positions = positions - positions.mean(axis=0)
    _, axes = np.linalg.eigh(positions.T @ positions)
    axes = axes[:, ::-1] * np.sign(axes[:, ::-1].sum(axis=0) + 1e-12)
    source, target = np.nonzero(np.triu(joined))
    lengths = np.sqrt(((positions[source] - positions[target]) ** 2).sum(axis=-1))
    return positions @ axes / max(float(np.median(lengths)) if len(lengths) else 1.0, 1e-9)


def _side_by_side(blocks: list[Float[np.ndarray, "part 2"]]) -> list[Float[np.ndarray, "part 2"]]:
    """The parts in rows from left to right, none over another."""
    sizes = [np.ptp(block, axis=0) + _GAP for block in blocks]
    width = max([np.sqrt(2 * sum(float(size.prod()) for size in sizes)), *(float(size[0]) for size in sizes)])
    placed = []
    left = top = height = 0.0
    for block, size in zip(blocks, sizes, strict=True):
        if left + size[0] > width + 1e-9:
            left, top, height = 0.0, top + height, 0.0
        placed.append(block - block.min(axis=0) + [left, top])
        left, height = left + float(size[0]), max(height, float(size[1]))
    return placed
