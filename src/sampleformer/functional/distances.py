"""Features of pairs of tokens in space: functions of their distance, which no rotation changes.

They are few, so they are made, each as a plane of its own, (b, g, n, m), once for each group of heads; `feature_terms`
makes terms of them. What `functional.relative` says about weights and precision holds here too.
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

    Raises:
        ValueError: if points have no coordinates.

    Example:
        >>> squared_distances(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[[3.0, 4.0]]]]))
        tensor([[[[25.]]]])
    """
    points, chosen = wide(points, chosen)
    result: Tensor | None = None
    for x, y in zip(points.unbind(-1), chosen.unbind(-1), strict=True):
        apart = x[:, None, :, None] - y[:, :, None, :]
        result = apart.square() if result is None else torch.addcmul(result, apart, apart)
    if result is None:
        raise ValueError("points have no coordinates, expected at least one")
    return result


def distances(points: Float[Tensor, "b n c"], chosen: Float[Tensor, "b g m c"]) -> Float[Tensor, "b g n m"]:
    """``sqrt(Σ_c (x_ic − y_jc)²)``, with gradient zero where points coincide; in float32 or wider.

    Args: as for `squared_distances`.

    Example:
        >>> distances(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[[3.0, 4.0]]]]))
        tensor([[[[5.]]]])
    """
    squared = squared_distances(points, chosen)
    if not squared.requires_grad:
        return squared.sqrt_()
    apart = squared > 0
    # The root of zero has no gradient, so it is not taken.
    return squared.where(apart, 1).sqrt().where(apart, 0)


def distance_normal_features(
    points: Float[Tensor, "b n c"],
    chosen: Float[Tensor, "b g m c"],
    normals: Float[Tensor, "b n c"],
    chosen_normals: Float[Tensor, "b g m c"],
) -> list[Float[Tensor, "b g n m"]]:
    """The distance and how two surfaces face each other: ``r_ij = [d_ij, ν_i · ν_j]``.

    Args:
        points: where the queries are.
        chosen: where the chosen tokens are.
        normals: ν, of the queries.
        chosen_normals: of the chosen tokens.

    Example:
        >>> points, normals = torch.tensor([[[0.0, 0.0], [3.0, 4.0]]]), torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]])
        >>> torch.cat(distance_normal_features(points, points[:, None], normals, normals[:, None])).squeeze()
        tensor([[[ 0.,  5.],
                 [ 5.,  0.]],
        <BLANKLINE>
                [[ 1., -1.],
                 [-1.,  1.]]])
    """
    return [distances(points, chosen), wide_matmul(*wide(normals[:, None], chosen_normals.mT))]


def distance_field_features(
    points: Float[Tensor, "b n c"], chosen: Float[Tensor, "b g m c"], rates: Float[Tensor, "3"]
) -> list[Float[Tensor, "b g n m"]]:
    """Three functions that rise with the distance from 0 to 1, each over its own length 1 / ρ.

    ``r_ij = [1 − exp(−ρ_1 d), ρ_2 d / (1 + ρ_2 d), tanh(ρ_3 d)]`` with ``d = d_ij``.

    Args:
        points: where the queries are.
        chosen: where the chosen tokens are.
        rates: ρ > 0, per unit of the points.

    Example:
        >>> points = torch.tensor([[[0.0], [3.0]]])
        >>> distance_field_features(points, points[:, None], torch.ones(3))[1].squeeze()
        tensor([[0.0000, 0.7500],
                [0.7500, 0.0000]])
    """
    distance, rates = wide(distances(points, chosen), rates)
    exponential, rational, hyperbolic = (rate * distance for rate in rates.unbind())
    return [-torch.expm1(-exponential), rational / (1 + rational), hyperbolic.tanh()]


def feature_terms(features: list[Float[Tensor, "b g n m"]], weight: Float[Tensor, "h f"]) -> Float[Tensor, "b h n m"]:
    """Terms of f features: one product of matrices a group, with pairs as columns.

    Args:
        features: of every pair.
        weight: of the features, in their order.

    Raises:
        ValueError: if the groups do not divide the heads.

    Example:
        >>> feature_terms([torch.tensor([[[[1.0, 2.0]]]])], torch.tensor([[10.0], [100.0]])).flatten(1)
        tensor([[ 10.,  20., 100., 200.]])
    """
    planes, wide_weight = wide(features[0][:, :, None] if len(features) == 1 else torch.stack(features, dim=2), weight)
    _, groups, _, length, slots = planes.shape
    terms = wide_matmul(by_group(wide_weight, groups), planes.flatten(3))
    return terms.flatten(1, 2).unflatten(2, (length, slots)).to(weight.dtype)
