"""The nearest points of every point, without a tensor of all pairs."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sampleformer.functional.neighbour_tree import ask_tree, can_ask_tree
from sampleformer.functional.relative import wide
from sampleformer.functional.sampling import ordered_topk
from sampleformer.tracing import folded

# A block of queries meets all points in tensors of this many numbers: 2 MiB of float32.
NUMBERS_PER_BLOCK = 2**19


def nearest_neighbours(
    coordinates: Float[Tensor, "b n c"], k: int, mask: Bool[Tensor, "b n"] | None = None
) -> tuple[Int64[Tensor, "b n k"], Bool[Tensor, "b n k"] | None]:
    """The k other points nearest to each point, nearest first: the least ``Σ_c (x_ic − x_jc)²``, j ≠ i.

    Points at the same distance come in the order of their index. Distances are computed by differences, in float32 or
    wider, for a block of points at a time, so that memory grows linearly with n. Large clouds on a CPU ask a k-d tree
    first where scipy is there, which finds the same. There is no gradient.

    Args:
        coordinates: x, finite where a point is real.
        k: how many neighbours.
        mask: True where a point is real. The others are nobody's neighbours, and have none.

    Returns:
        The indices, and whether each is valid (None: all of them are). A point with fewer than k neighbours has invalid
        slots at the end, which hold its own index.

    Raises:
        ValueError: if ``k < 1``.

    Example:
        >>> nearest_neighbours(torch.tensor([[[0.0], [5.0], [1.0], [-1.0]]]), 2)[0]
        tensor([[[2, 3],
                 [2, 0],
                 [0, 3],
                 [0, 2]]])
    """
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1")
    indices, valid = torch.ops.sampleformer.nearest_neighbours(coordinates.detach(), k, mask)
    return indices, valid if mask is not None or k >= coordinates.shape[1] else None


def _nearest_neighbours(coordinates: Tensor, k: int, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    (points,) = wide(coordinates)
    if mask is not None:
        points = points.masked_fill(~mask[..., None], 0)
    batch, length, _ = points.shape
    own = torch.arange(length, device=points.device)
    indices = own[:, None].expand(batch, length, k).clone()
    valid = torch.zeros_like(indices, dtype=torch.bool)
    if batch and length and can_ask_tree(points[0], k):
        for cloud in range(batch):
            one = slice(cloud, cloud + 1)
            of_cloud = None if mask is None else mask[one]
            left = _ask(points[cloud], k, None if mask is None else mask[cloud], indices[cloud], valid[cloud])
            _compare(points[one], left, of_cloud, indices[one], valid[one])
    elif batch:
        _compare(points, own, mask, indices, valid)
    return indices, valid


def _ask(points: Tensor, k: int, mask: Tensor | None, indices: Tensor, valid: Tensor) -> Tensor:
    """Fills in what the tree knows of a cloud, and returns the points, by their indices, that are left."""
    real = torch.arange(len(points)) if mask is None else mask.nonzero()[:, 0]
    if not can_ask_tree(points[real], k):
        return real
    found, sure = ask_tree(points[real], k)
    indices[real[sure]] = real[found[sure]]
    valid[real[sure]] = True
    return real[~sure]


def _compare(points: Tensor, queries: Tensor, mask: Tensor | None, indices: Tensor, valid: Tensor) -> None:
    """Fills in the neighbours of some points, by their distances to all."""
    batch, length, _ = points.shape
    found = min(indices.shape[-1], length)
    block = max(1, NUMBERS_PER_BLOCK // max(1, batch * length))
    for some in queries.split(block):
        closeness = _closeness(points, some, mask)
        nearest = ordered_topk(closeness, found)
        real = closeness.gather(-1, nearest) > -torch.inf
        if mask is not None:
            real &= mask[:, some, None]
        indices[:, some, :found] = nearest.where(real, some[:, None])
        valid[:, some, :found] = real


@torch.library.custom_op("sampleformer::nearest_neighbours", mutates_args=())
def _operator(coordinates: Tensor, k: int, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    return _nearest_neighbours(coordinates, k, mask)


@_operator.register_fake
def _(coordinates: Tensor, k: int, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    indices = coordinates.new_empty((*coordinates.shape[:2], k), dtype=torch.int64)
    return indices, indices.new_empty(indices.shape, dtype=torch.bool)


_operator.register_vmap(folded(_operator))


def _closeness(points: Tensor, queries: Tensor, mask: Tensor | None) -> Tensor:
    """Minus the squared distance of each of the queries to every point, (b, q, n); −∞ to itself and to padding."""
    result = points.new_zeros(points.shape[0], queries.shape[0], points.shape[1])
    for x in points.unbind(-1):
        result -= (x[:, queries, None] - x[:, None, :]).square_()
    result[:, torch.arange(queries.shape[0], device=queries.device), queries] = -torch.inf
    if mask is not None:
        result.masked_fill_(~mask[:, None], -torch.inf)
    return result
