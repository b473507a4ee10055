"""Large clouds made smaller, in an order of which every beginning is spread over the whole."""

from collections.abc import Sequence

import numpy as np
import torch

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.placed_cloud import PlacedCloud
from sampleformer.data.point_cloud.resampling import farthest_point_orders

MOST_ORDERED = 16_384
"""Larger clouds are thinned at random to so many points before they are ordered, which takes time with their square;
only what a model sees or keeps may be more."""


def thin(clouds: Sequence[PlacedCloud], points: int, most: int) -> list[PlacedCloud]:
    """At most `most` points of each cloud; the first `points` of them are in farthest-point order, if there are more.

    Each depends on its own cloud alone.

    Args:
        clouds: that are ordered as a whole, see `reduced`.
        points: how many the model sees.
        most: how many are kept, at least as many.
    """
    orders: list[np.ndarray] = [np.empty(0)] * len(clouds)
    for count in {_ordered(len(each), points, most) for each in clouds} - {0}:
        rows = [row for row, each in enumerate(clouds) if _ordered(len(each), points, most) == count]
        found = farthest_point_orders([torch.from_numpy(clouds[row].cloud.points) for row in rows], count).numpy()
        for row, order in zip(rows, found, strict=True):
            left = np.setdiff1d(np.arange(len(clouds[row])), order) if len(clouds[row]) <= most else order[:0]
            orders[row] = np.concatenate([order, left])
    return [each.take(order) if len(order) else each for each, order in zip(clouds, orders, strict=True)]


def _ordered(size: int, points: int, most: int) -> int:
    """How many points are put in order: all that are kept if some are not; else the first; none if all are seen."""
    return most if size > most else points if size > points else 0


def reduced(cloud: Cloud, most: int) -> PlacedCloud:
    """A cloud of no more points than are put in order, `MOST_ORDERED`, or `most` if that is more; drawn at random.

    Example:
        >>> len(reduced(Cloud(np.zeros((20_000, 3), np.float32)), 1024))
        16384
    """
    whole, kept = PlacedCloud.whole(cloud), max(most, MOST_ORDERED)
    if len(cloud) <= kept:
        return whole
    return whole.take(np.sort(np.random.default_rng(len(cloud)).permutation(len(cloud))[:kept]))
