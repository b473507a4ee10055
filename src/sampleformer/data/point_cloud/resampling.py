"""Clouds of any number of points brought to a given one."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# Coordinates of one axis that a step goes through at once: they stay in the cache of a core, and are so few that torch
# does not hand them to several, whose waiting for each other would take longer than the step.
NUMBERS_AT_ONCE = 2**15

MANY_TIMES = 64
"""A cloud with so many times the points that are drawn is not put in order to draw them."""


def farthest_point_order(
    points: np.ndarray, count: int, start: int | None = None, *, repeat: bool = True
) -> np.ndarray:
    """Indices of points spread over the whole cloud: each next one is farthest from all those before it.

    ``i_t = argmax_i min_{s < t} ‖x_i − x_{i_s}‖``; equal distances are taken in the order of the index, and no point
    twice, also where points coincide. So the first m of a longer order are the order of m. Cost O(n · count).

    Args:
        points: (n, 3), finite, n ≥ 1.
        count: how many.
        start: the first; None: the one farthest from the centroid.
        repeat: what happens if there are fewer points than asked for: True: all of them, then again from the first in
            the same order; False: an error.

    Returns:
        (count,) int64.

    Raises:
        ValueError: if there is no point, start is not one of them, or there are fewer than asked for and none may be
            repeated.

    Source: Eldar et al. 1997, "The farthest point strategy for progressive image sampling", section III.

    Example:
        >>> farthest_point_order(np.array([[0.0, 0, 0], [1, 0, 0], [9, 0, 0], [4, 0, 0]]), 3)
        array([2, 0, 3])
    """
    starts = None if start is None else [start]
    return farthest_point_orders([torch.from_numpy(np.asarray(points))], count, starts, repeat=repeat)[0].numpy()


def farthest_point_orders(
    clouds: Sequence[Tensor], count: int, starts: Sequence[int] | None = None, *, repeat: bool = True
) -> Tensor:
    """`farthest_point_order` of many clouds at once, of equal or unequal sizes, on the device where they are.

    Each gives what it gives alone.

    Args:
        clouds: (n, 3) each.
        count: how many points of each.
        starts: the first of each; None: the one farthest from the centroid.
        repeat: as for one.

    Returns:
        (clouds, count) int64.

    Raises:
        ValueError: as for one.

    Example:
        >>> farthest_point_orders([torch.eye(3), torch.zeros(1, 3)], 3)
        tensor([[0, 1, 2],
                [0, 0, 0]])
    """
    for cloud in clouds:
        _check(len(cloud), count, repeat)
    firsts = [_farthest_from_centroid(cloud) for cloud in clouds] if starts is None else list(starts)
    for first, cloud in zip(firsts, clouds, strict=True):
        if not 0 <= first < len(cloud):
            raise ValueError(f"start is {first}, expected 0 to {len(cloud) - 1}")
    if not clouds:
        return torch.zeros(0, count, dtype=torch.int64)
    together = max(1, NUMBERS_AT_ONCE // max(len(cloud) for cloud in clouds))
    parts = range(0, len(clouds), together)
    return torch.cat([_orders(clouds[at : at + together], firsts[at : at + together], count) for at in parts])


def _orders(clouds: Sequence[Tensor], firsts: Sequence[int], count: int) -> Tensor:
    device, sizes = clouds[0].device, torch.tensor([len(cloud) for cloud in clouds], device=clouds[0].device)
    # Axes apart, each in one piece, so that one step is a few passes over whole rows.
    points = torch.nn.utils.rnn.pad_sequence([cloud.double() for cloud in clouds], batch_first=True)
    axes = [axis.contiguous() for axis in points.unbind(-1)]
    rows, places = torch.arange(len(clouds), device=device), torch.arange(points.shape[1], device=device)
    # Squared distance to the nearest chosen point: -1 for the chosen ones, -2 for padding.
    left = torch.where(places < sizes[:, None], torch.inf, -2.0).double()
    chosen = torch.tensor(firsts, device=device)
    order = torch.empty(len(clouds), min(count, len(places)), dtype=torch.int64, device=device)
    squared, difference = torch.empty_like(left), torch.empty_like(left)
    for step in range(order.shape[1]):
        if step:
            chosen = left.argmax(dim=1)  # of equal ones the first
        order[:, step] = chosen
        squared.zero_()
        for axis in axes:
            torch.sub(axis, axis.gather(1, chosen[:, None]), out=difference)
            squared.addcmul_(difference, difference)
        torch.minimum(left, squared, out=left)
        left[rows, chosen] = -1.0
    steps = torch.arange(count, device=device)
    return order.gather(1, steps % sizes[:, None])


def random_subset(points: int, count: int, random: np.random.Generator, *, repeat: bool = True) -> np.ndarray:
    """Indices of points drawn without replacement, every subset and order alike.

    Args:
        points: n ≥ 1, how many there are.
        count: how many to draw.
        random: source of randomness.
        repeat: what happens if there are fewer points than asked for: True: all of them in random order, then again
            from the first in the same order; False: an error.

    Returns:
        (count,) int64.

    Raises:
        ValueError: if there is no point, or there are fewer than asked for and none may be repeated.

    Example:
        >>> sorted(random_subset(3, 3, np.random.default_rng(0)).tolist())
        [0, 1, 2]
    """
    _check(points, count, repeat)
    few = points > count * MANY_TIMES  # then only what is drawn takes time, not all that is there
    drawn = random.choice(points, count, replace=False) if few else random.permutation(points)[:count]
    return np.resize(drawn, count)


def _check(points: int, count: int, repeat: bool) -> None:
    if points < 1:
        raise ValueError("found no points, expected at least one")
    if count < 1:
        raise ValueError(f"count is {count}, expected at least 1")
    if points < count and not repeat:
        raise ValueError(f"found {points} points, expected at least {count}")


def _farthest_from_centroid(cloud: Tensor) -> int:
    """The same whatever the batch, the device and the number of threads: summed by numpy, one cloud at a time."""
    points = cloud.detach().cpu().double().numpy()
    x, y, z = (points - points.mean(axis=0)).T
    return int(np.argmax(x * x + y * y + z * z))
