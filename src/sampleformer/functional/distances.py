"""Terms of pairs of tokens in space: linear maps of functions of their distance, which no rotation changes.

What `functional.relative` says about shapes, weights and precision holds here too. The features of pairs themselves
are few, so they are made, once for each group of heads.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sampleformer.functional.relative import by_group, wide, wide_matmul

FIELDS = 3
"""Number of saturating functions that `distance_field_terms` has."""


def squared_distances(points: Float[Tensor, "b n c"], chosen: Float[Tensor, "b g m c"]) -> Float[Tensor, "b g n m"]:
    """``Σ_c (x_ic − y_jc)²``, by differences, so that a point is at distance zero from itself; in float32 or wider.

    Args:
        points: x, where the queries are.
        chosen: y, where the chosen tokens are.

    Example:
        >>> squared_distances(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[[3.0, 4.0]]]]))
        tensor([[[[25.]]]])
    """
    points, chosen = wide(points, chosen)
    result = torch.zeros((), dtype=points.dtype, device=points.device)
    for x, y in zip(points.unbind(-1), chosen.unbind(-1), strict=True):
        result = result + (x[:, None, :, None] - y[:, :, None, :]).square()
    return result


def distances(points: Float[Tensor, "b n c"], chosen: Float[Tensor, "b g m c"]) -> Float[Tensor, "b g n m"]:
    """``sqrt(Σ_c (x_ic − y_jc)²)``, with gradient zero where points coincide; in float32 or wider.

    Args: as for `squared_distances`.

    Example:
        >>> distances(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[[3.0, 4.0]]]]))
        tensor([[[[5.]]]])
    """
    squared = squared_distances(points, chosen)
    apart = squared > 0
    # The root of zero has no gradient, so it is not taken.
    return squared.where(apart, 1).sqrt().where(apart, 0)


def squared_distance_terms(
    points: Float[Tensor, "b n c"], chosen: Float[Tensor, "b g m c"], weight: Float[Tensor, "r h 1"]
) -> Float[Tensor, "b n r h m"]:
    """Terms of the squared distance: ``r_ij = d_ij²``.

    Args:
        points: where the queries are.
        chosen: where the chosen tokens are.
        weight: of the one feature.

    Raises:
        ValueError: if the groups do not divide the heads.

    Example:
        >>> points = torch.tensor([[[0.0], [3.0]]])
        >>> squared_distance_terms(points, points[:, None], torch.ones(1, 1, 1)).squeeze()
        tensor([[0., 9.],
                [9., 0.]])
    """
    return _terms([squared_distances(points, chosen)], weight)


def distance_normal_terms(
    points: Float[Tensor, "b n c"],
    chosen: Float[Tensor, "b g m c"],
    normals: Float[Tensor, "b n c"],
    chosen_normals: Float[Tensor, "b g m c"],
    weight: Float[Tensor, "r h 2"],
) -> Float[Tensor, "b n r h m"]:
    """Terms of the distance and of how two surfaces face each other: ``r_ij = [d_ij, ν_i · ν_j]``.

    Args:
        points: where the queries are.
        chosen: where the chosen tokens are.
        normals: ν, of the queries.
        chosen_normals: of the chosen tokens.
        weight: of the two features.

    Raises:
        ValueError: if the groups do not divide the heads.

    Example:
        >>> points, normals = torch.tensor([[[0.0, 0.0], [3.0, 4.0]]]), torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]])
        >>> weight = torch.tensor([[[1.0, 0.1]]])
        >>> distance_normal_terms(points, points[:, None], normals, normals[:, None], weight).squeeze()
        tensor([[0.1000, 4.9000],
                [4.9000, 0.1000]])
    """
    facing = wide_matmul(*wide(normals[:, None], chosen_normals.mT))
    return _terms([distances(points, chosen), facing], weight)


def distance_field_terms(
    points: Float[Tensor, "b n c"],
    chosen: Float[Tensor, "b g m c"],
    rates: Float[Tensor, "3"],
    weight: Float[Tensor, "r h 3"],
) -> Float[Tensor, "b n r h m"]:
    """Terms of three functions that rise with the distance from 0 to 1, each over its own length 1 / ρ.

    ``r_ij = [1 − exp(−ρ_1 d), ρ_2 d / (1 + ρ_2 d), tanh(ρ_3 d)]`` with ``d = d_ij``.

    Args:
        points: where the queries are.
        chosen: where the chosen tokens are.
        rates: ρ > 0, per unit of the points.
        weight: of the three features.

    Raises:
        ValueError: if the groups do not divide the heads.

    Example:
        >>> points = torch.tensor([[[0.0], [3.0]]])
        >>> weight = torch.tensor([[[0.0, 1.0, 0.0]]])
        >>> distance_field_terms(points, points[:, None], torch.ones(3), weight).squeeze()
        tensor([[0.0000, 0.7500],
                [0.7500, 0.0000]])
    """
    distance, rates = wide(distances(points, chosen), rates)
    exponential, rational, hyperbolic = (rate * distance for rate in rates.unbind())
    return _terms([-torch.expm1(-exponential), rational / (1 + rational), hyperbolic.tanh()], weight)


def _terms(features: list[Tensor], weight: Tensor) -> Tensor:
    """Features of pairs, each (b, g, n, m), under the weights of each group's heads."""
    planes, wide_weight = wide(torch.stack(features, dim=2), weight)
    batch, groups, _, length, slots = planes.shape
    rows, heads, _ = weight.shape
    # One product a group with pairs as columns, and heads before rows, so that the result is a view of it.
    by_head = by_group(wide_weight, groups).transpose(1, 2).flatten(1, 2)
    terms = wide_matmul(by_head, planes.flatten(3)).view(batch, heads, rows, length, slots)
    return terms.permute(0, 3, 2, 1, 4).to(weight.dtype)
