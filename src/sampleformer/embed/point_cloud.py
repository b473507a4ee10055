"""Point clouds: where the points are, or only what no rotation changes, and what their neighbourhoods look like."""

from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from sampleformer.distributed.edge_halo import shard_edges
from sampleformer.distributed.over_shards import joined, shard_of
from sampleformer.edges import Edges
from sampleformer.embed.fields import numbers
from sampleformer.functional.gathering import rows_at
from sampleformer.functional.neighbours import nearest_neighbours
from sampleformer.functional.point_pairs import EVERY, centre_pairs, normal_pairs
from sampleformer.gelu import GELU
from sampleformer.modules import Module
from sampleformer.tokens import Tokens, as_tokens
from sampleformer.zeroing import zeroed


class PointCloudEmbed(Module):
    """One token a point: ``A GELU(B own_i) + C max_j GELU(D GELU(E pair_ij))``, j over its nearest neighbours.

    What a point is by itself and what it is to a neighbour::

        own_i   = [x_i ; ν_i ; f_i]        pair_ij = [(x_j − x_i) / s ; ν_j]
        own_i   = [‖x_i‖ ; |cos(ν_i, x_i)| ; f_i]    pair_ij = distances in units of s and cosines, see below

    with x the coordinates, ν the normals and f further features. The second line is the invariant form: rotations about
    the origin, and the side to which a normal points, change nothing. Its pairs are those of
    `functional.point_pairs.centre_pairs` and, where there are normals, `normal_pairs`. The unit s is the spacing
    ``sqrt(4 k / n)`` of k neighbours among n points on the unit sphere. Random identifiers z enter as ``F z``. The
    tokens get an edge to each of their neighbours, which carries the pair.

    Args:
        width: d, of the model.
        features: numbers that each point carries beside its place.
        normals: whether the points have normals.
        identifiers: random numbers of a point, see `Tokens`.
        invariant: whether coordinates and normals enter only through what no rotation changes; the cloud must be
            centred at the origin. What the model answers is then invariant too, with any attention that sees no
            coordinates or whose relative terms are invariant.
        neighbours: k, nearest points of each point that it sees; 0: none.
        hidden: width of the layers between.

    Raises:
        ValueError: if a size is not positive where it must be; when it runs, InputError if the tokens have no
            coordinates, or no normals or identifiers where they are expected.

    Source: SFT (arXiv 2408.05822), section 3, keeps coordinates out of the features and adds random ones; the
    neighbourhoods are as in DGCNN (arXiv 1801.07829, section 3) and, invariant, in Drost et al. 2010, section 3.1.

    Example:
        >>> cloud = Tokens(torch.zeros(1, 5, 0), coordinates=torch.randn(1, 5, 3))
        >>> PointCloudEmbed(8, neighbours=2)(cloud).features.shape
        torch.Size([1, 5, 8])
    """

    example: ClassVar[dict[str, Any]] = {"features": 1}
    """What the data may say of its tokens, to check settings before the data is read."""

    def __init__(
        self,
        width: int,
        *,
        features: int = 0,
        normals: bool = False,
        identifiers: int = 0,
        invariant: bool = False,
        neighbours: int = 16,
        hidden: int = 64,
    ) -> None:
        super().__init__()
        least = {"width": 1, "hidden": 1, "features": 0, "identifiers": 0, "neighbours": 0}
        sizes = {"width": width, "hidden": hidden, "features": features, "identifiers": identifiers}
        for name, value in (sizes | {"neighbours": neighbours}).items():
            if value < least[name]:
                raise ValueError(f"{name} is {value}, expected at least {least[name]}")
        self.width = width
        self.features = features
        self.identifiers = identifiers
        self.normals = normals
        self.invariant = invariant
        self.neighbours = neighbours
        pair = 4 + 4 * normals if invariant else 3 * (1 + normals)
        self.edge_features = pair if neighbours else None
        own = 1 + normals if invariant else 3 * (1 + normals)
        self.point = nn.Sequential(nn.Linear(own + features, hidden), GELU(), nn.Linear(hidden, width))
        self.identify = nn.Linear(identifiers, width, bias=False) if identifiers else None
        if neighbours:
            self.pair = nn.Sequential(nn.Linear(pair, hidden), GELU(), nn.Linear(hidden, hidden), GELU())
            self.neighbourhood = nn.Linear(hidden, width)

    def forward(self, tokens: Tokens | Tensor) -> Tokens:
        """Tokens of the model's width, which keep their coordinates and normals; padding holds zeros.

        Their edges, k for each token, lead to its neighbours, nearest first.

        Raises:
            InputError: if coordinates are missing, or normals or identifiers that the model was made for.
        """
        tokens = as_tokens(tokens)
        numbers(tokens.coordinates, "coordinates", 3)
        tokens = tokens.without_padding()
        points, normals = tokens.coordinates, None
        assert points is not None
        if self.normals:
            normals = numbers(tokens.normals, "normals", 3)
        carried = numbers(tokens.features.to(points.dtype), "features", self.features)
        features: Tensor = self.point(torch.cat([*self._own(points, normals), carried], dim=-1))
        if self.neighbours:
            edges = self._edges(points, normals, tokens.mask)
            features = features + self._neighbourhoods(edges, tokens.length)
            shard = shard_of(tokens.length)
            tokens = tokens.with_edges(edges if shard is None else shard_edges(edges, shard.group, shard.lengths))
        if self.identify is not None:
            features = features + self.identify(numbers(tokens.identifiers, "identifiers", self.identifiers))
        if tokens.mask is not None:
            features = zeroed(features, tokens.mask[:, :, None])
        return tokens.with_features(features)

    def _own(self, points: Tensor, normals: Tensor | None) -> list[Tensor]:
        """What each point is by itself, but for its features."""
        if not self.invariant:
            return [points] if normals is None else [points, normals]
        squared = points.square().sum(-1, keepdim=True)
        away = squared > 0  # the root of zero has no gradient
        radius = squared.where(away, 1).sqrt()
        if normals is None:
            return [radius.where(away, 0)]
        return [radius.where(away, 0), ((normals * points).sum(-1, keepdim=True) / radius).abs()]

    def _edges(self, points: Tensor, normals: Tensor | None, mask: Tensor | None) -> Edges:
        """The neighbours of the points at hand, those of one after those of the other; ends are among all points."""
        shard = shard_of(points.shape[1])
        own = EVERY if shard is None else slice(shard.offset, shard.offset + shard.length)
        if shard is not None:
            points, normals, mask = _of_all_ranks(points, normals, mask)
        indices, valid = nearest_neighbours(points, self.neighbours, mask)
        indices, valid = indices[:, own], None if valid is None else valid[:, own]
        pairs = self._pairs(points / self._spacing(points, mask), normals, indices, valid, own)
        source = torch.arange(points.shape[1], device=points.device)[own, None].expand_as(indices)
        mask = None if valid is None else valid.flatten(1)
        return Edges(source.flatten(1), indices.flatten(1), pairs.flatten(1, 2), mask)

    def _neighbourhoods(self, edges: Edges, length: int) -> Tensor:
        seen = self.pair(edges.features.unflatten(1, (length, self.neighbours)))
        if edges.mask is not None:
            # The largest over none is zero.
            valid = edges.mask.unflatten(1, (length, self.neighbours))
            seen = seen.masked_fill(~valid[..., None], -torch.inf)
            largest = seen.amax(2).masked_fill(~valid.any(2)[..., None], 0)
        else:
            largest = seen.amax(2)
        return self.neighbourhood(largest)

    def _spacing(self, points: Tensor, mask: Tensor | None) -> Tensor:
        """How far the neighbours of a point reach in a cloud of so many points on the unit sphere: (b, 1, 1)."""
        batch, length, _ = points.shape
        counts = points.new_full((batch,), length) if mask is None else mask.sum(1).to(points.dtype)
        return (4 * self.neighbours / counts.clamp(min=1)).sqrt()[:, None, None]

    def _pairs(
        self,
        points: Float[Tensor, "b n 3"],
        normals: Float[Tensor, "b n 3"] | None,
        indices: Int64[Tensor, "b m k"],
        valid: Bool[Tensor, "b m k"] | None,
        own: slice,
    ) -> Tensor:
        """What each of some points is to its neighbours, (b, m, k, f)."""
        if self.invariant:
            centre = centre_pairs(points, indices, valid, own=own)
            if normals is None:
                return centre
            of_normals = normal_pairs(points, normals, indices, valid, oriented=False, own=own)
            return torch.cat([centre, of_normals[..., 1:]], dim=-1)
        carried = points if normals is None else torch.cat([points, normals], dim=-1)
        taken = rows_at(carried, indices.flatten(1)).unflatten(1, indices.shape[1:])
        centres = points if normals is None else torch.cat([points, torch.zeros_like(normals)], dim=-1)
        return taken - centres[:, own, None]

    def extra_repr(self) -> str:
        return f"width={self.width}, neighbours={self.neighbours}, invariant={self.invariant}"


def _of_all_ranks(
    points: Tensor, normals: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """What the points of all ranks have, in one message."""
    real = None if mask is None else mask[:, :, None].to(points.dtype)
    given = {"points": points, "normals": normals, "real": real}
    parts = {name: each for name, each in given.items() if each is not None}
    everything = joined(torch.cat([*parts.values()], dim=-1)[:, None])[:, 0]
    found = dict(zip(parts, everything.split([each.shape[-1] for each in parts.values()], dim=-1), strict=True))
    real = found.get("real")
    return found["points"], found.get("normals"), None if real is None else real[..., 0].bool()
