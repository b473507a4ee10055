"""The nearest points of every point from a k-d tree, exactly as from all distances, where scipy is there."""

import functools
from typing import Any

import torch
from torch import Tensor

from sampleformer.errors import InputError
from sampleformer.extras import require

SMALLEST = 512
"""Points of a cloud from which the tree is faster than all distances."""
_WIDEST = 8  # coordinates; in more a tree looks at nearly all points
_SPARE = 8  # candidates beside twice as many as asked for, for equal distances
_ROUNDING, _TINIEST = 1e-5, 1e-37  # more than what float32 loses of a squared distance


def can_ask_tree(points: Tensor, k: int) -> bool:
    """Whether a tree can answer for points, ``(n, c)``, sooner than all distances."""
    count, width = points.shape
    fits = points.device.type == "cpu" and width <= _WIDEST and count >= max(SMALLEST, 2 * (2 * k + _SPARE))
    return fits and _tree() is not None


def ask_tree(points: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k other points nearest to each point, those of equal distance in the order of their index.

    The tree gives candidates. Their distances are computed as those of all pairs are, and an answer is sure if every
    point that is no candidate is farther away than the last one taken, whatever the rounding.

    Args:
        points: Coordinates ``(n, c)``, finite, float32 or float64.
        k: Number of neighbours.

    Returns:
        The indices ``(n, k)``, and whether each point's are sure, ``(n,)``.
    """
    made = _tree()
    assert made is not None
    values = points.double().numpy()
    reach, found = made(values).query(values, k=2 * k + _SPARE)
    candidates = torch.from_numpy(found).sort(dim=1).values
    farthest = torch.from_numpy(reach[:, -1]).square()
    closeness = points.new_zeros(candidates.shape)
    for x in points.unbind(-1):
        closeness -= (x[:, None] - x[candidates]).square_()
    closeness.masked_fill_(candidates == torch.arange(len(points))[:, None], -torch.inf)
    order = closeness.sort(dim=1, descending=True, stable=True).indices[:, :k]
    last = -closeness.gather(1, order[:, -1:])[:, 0].double()
    return candidates.gather(1, order), last < farthest * (1 - _ROUNDING) - _TINIEST


@functools.cache
def _tree() -> Any:
    """scipy's tree; None where there is no scipy."""
    try:
        return require("scipy.spatial", "points").cKDTree
    except InputError:
        return None
