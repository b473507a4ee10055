"""What no rotation changes about a point and its neighbours: their distance, and angles between what they carry.

Everything is computed in float32 or wider. Where two points coincide there is no direction from one to the other:
cosines with it are 0 there, and so are the gradients of the distance and of those cosines, never NaN.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sampleformer.functional.gathering import rows_at
from sampleformer.functional.relative import wide

EVERY = slice(None)


def centre_pairs(
    points: Float[Tensor, "b n c"],
    indices: Int64[Tensor, "b m k"],
    valid: Bool[Tensor, "b m k"] | None = None,
    *,
    own: slice = EVERY,
) -> Float[Tensor, "b m k 4"]:
    """Points and their neighbours as seen from the origin: ``[‖d‖, ‖x_i‖, ‖x_j‖, cos(x_i, d)]`` with ``d = x_j − x_i``.

    Rotations about the origin change nothing; so the origin should be the centre of the cloud. The four numbers fix the
    triangle of the origin and the two points, up to rotations and reflections.

    Args:
        points: x.
        indices: j, the neighbours of each point i.
        valid: False where a slot holds no neighbour; its features are zero.
        own: Places of the points i.

    Example:
        >>> points = torch.tensor([[[3.0, 0.0, 0.0], [3.0, 4.0, 0.0]]])
        >>> centre_pairs(points, torch.tensor([[[1], [0]]])).squeeze()
        tensor([[ 4.0000,  3.0000,  5.0000,  0.0000],
                [ 4.0000,  5.0000,  3.0000, -0.8000]])
    """
    (points,) = wide(points)
    distance, direction = _length_and_direction(_take(points, indices) - points[:, own, None])
    radius, outward = _length_and_direction(points)
    cosine = (outward[:, own, None] * direction).sum(-1)
    radii = radius[:, own, None].expand_as(distance)
    neighbour_radii = _take(radius[..., None], indices).squeeze(-1)
    return _without_invalid(torch.stack([distance, radii, neighbour_radii, cosine], dim=-1), valid)


def normal_pairs(
    points: Float[Tensor, "b n c"],
    normals: Float[Tensor, "b n c"],
    indices: Int64[Tensor, "b m k"],
    valid: Bool[Tensor, "b m k"] | None = None,
    *,
    oriented: bool = True,
    own: slice = EVERY,
) -> Float[Tensor, "b m k f"]:
    """Point pair features: the distance of two points, and how their normals lie to the line between and to each other.

    With ``d = x_j − x_i``, ``α = ν_i · d / ‖d‖``, ``β = ν_j · d / ‖d‖``, ``γ = ν_i · ν_j``: ``[‖d‖, α, β, γ]``. Normals
    that are not oriented, which may point to either side of their surface, give ``[‖d‖, |α|, |β|, |γ|, α β γ]``:
    turning a normal around changes the sign of two of the three factors, so the product stays, and with the absolute
    values it holds all that does not depend on the signs.

    Rotations, reflections and shifts change nothing. (The publication takes the angles, we their cosines, whose
    gradients are finite everywhere.)

    Args:
        points: x.
        normals: ν, of unit length.
        indices: j, the neighbours of each point i.
        valid: False where a slot holds no neighbour; its features are zero.
        oriented: whether the signs of the normals mean something.
        own: Places of the points i.

    Returns:
        Four numbers a pair, or five if the normals are not oriented.

    Source: Drost et al. 2010, "Model Globally, Match Locally", section 3.1.

    Example:
        >>> points = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]]])
        >>> normals = torch.tensor([[[0.0, 1.0, 0.0], [0.0, -0.6, 0.8]]])
        >>> normal_pairs(points, normals, torch.tensor([[[1], [0]]])).squeeze()
        tensor([[ 2.0000,  1.0000, -0.6000, -0.6000],
                [ 2.0000,  0.6000, -1.0000, -0.6000]])
    """
    points, normals = wide(points, normals)
    distance, direction = _length_and_direction(_take(points, indices) - points[:, own, None])
    first, second = normals[:, own, None], _take(normals, indices)
    cosines = [(first * direction).sum(-1), (second * direction).sum(-1), (first * second).sum(-1)]
    if not oriented:
        product = cosines[0] * cosines[1] * cosines[2]
        cosines = [*(cosine.abs() for cosine in cosines), product]
    return _without_invalid(torch.stack([distance, *cosines], dim=-1), valid)


def _take(of_points: Tensor, indices: Tensor) -> Tensor:
    """What the neighbours hold: (b, n, c) and (b, m, k) to (b, m, k, c)."""
    return rows_at(of_points, indices.flatten(1)).unflatten(1, indices.shape[1:])


def _length_and_direction(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Length and direction of vectors (…, c); those of length zero have direction zero, and no gradient."""
    squared = vectors.square().sum(-1)
    apart = squared > 0
    # The root of zero has no gradient, so it is not taken.
    length = squared.where(apart, 1).sqrt()
    direction = vectors.where(apart[..., None], 0) / length[..., None]
    return length.where(apart, 0), direction


def _without_invalid(features: Tensor, valid: Tensor | None) -> Tensor:
    return features if valid is None else features.where(valid[..., None], 0)
