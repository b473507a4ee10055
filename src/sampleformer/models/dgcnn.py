"""DGCNN: each point beside its nearest neighbours, found anew in the features of every layer."""

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from sampleformer.heads import MeanPooling
from sampleformer.models.base import AnyModelSettings, Model
from sampleformer.models.pointwise import PointwiseLayer, coordinates_of, largest
from sampleformer.modules import is_plain
from sampleformer.tokens import Tokens, as_tokens

SLOPE = 0.2
WIDTHS = (64, 64, 128, 256)
GLOBAL = 1024


class DGCNNSettings(AnyModelSettings):
    """Settings of `DGCNN`.

    Args:
        name: "dgcnn".
        neighbours: k, the point itself among them; all points if there are fewer.
        dropout: In the head.
        factored: Whether the layers compute ``W e_ij`` point by point, see `EdgeConv`.
    """

    name: str = "dgcnn"
    neighbours: int = Field(default=20, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    factored: bool = True


class DGCNN(Model):
    """The classification network.

    Four `EdgeConv` of 64, 64, 128 and 256, side by side → 1024 for each point → maximum and mean over the points →
    512, 256 → outputs; batch norm and leaky ReLU after every layer but the last, dropout after the two before it. It
    sees coordinates alone. A cloud without points has zeros in the place of maximum and mean.

    Args:
        settings: `DGCNNSettings`.
        inputs: What the data says of points; not used.
        outputs: Number of outputs.
        level: "sample".

    Source: DGCNN (arXiv 1801.07829), figure 3 and section 4.1. Beside the maximum stands the mean, as in the authors'
    code.

    Example:
        >>> model = DGCNN(DGCNNSettings(), {"normals": False}, 40).eval()
        >>> model(Tokens(torch.zeros(2, 64, 0), coordinates=torch.zeros(2, 64, 3))).shape
        torch.Size([2, 40])
    """

    name = "dgcnn"
    Settings = DGCNNSettings
    needs = ("normals",)
    example: ClassVar[dict[str, Any]] = {"normals": False}

    def build(self, settings: DGCNNSettings) -> None:
        self.convolutions = nn.ModuleList(
            EdgeConv(before, after, neighbours=settings.neighbours, factored=settings.factored)
            for before, after in zip((3, *WIDTHS), WIDTHS, strict=False)
        )
        self.local = PointwiseLayer(sum(WIDTHS), GLOBAL, slope=SLOPE, bias=False)
        self.mean = MeanPooling(GLOBAL)
        self.head = nn.Sequential(
            PointwiseLayer(2 * GLOBAL, 512, slope=SLOPE, bias=False),
            nn.Dropout(settings.dropout),
            PointwiseLayer(512, 256, slope=SLOPE),
            nn.Dropout(settings.dropout),
            nn.Linear(256, self.outputs),
        )

    def forward(self, tokens: Tokens | Tensor, **questions: Tensor) -> Float[Tensor, "b outputs"]:
        """Outputs of clouds."""
        tokens = as_tokens(tokens)
        points, mask = coordinates_of(tokens), tokens.mask
        found = []
        for convolution in self.convolutions:
            points = convolution(points, mask)
            found.append(points)
        local = self.local(torch.cat(found, dim=-1), mask)
        return self.head(torch.cat([largest(local, mask), self.mean(tokens.with_features(local))], dim=-1))


class EdgeConv(nn.Module):
    """``x'_i = max_j leaky_relu(norm(W [x_j − x_i, x_i]))`` over the k nearest j of i.

    With ``W = [U, V]`` the linear map is ``U x_j + (V − U) x_i``: factored, it runs once for each point instead of once
    for each pair, and gives the same numbers up to rounding.

    Args:
        inputs, outputs: widths.
        neighbours: k, the point itself among them; all points of a cloud if there are fewer.
        factored: whether the linear map runs point by point.

    Source: DGCNN (arXiv 1801.07829), section 3.1 and equation 8; the factored form is ours.

    Example:
        >>> EdgeConv(3, 8, neighbours=4)(torch.rand(2, 16, 3)).shape
        torch.Size([2, 16, 8])
    """

    def __init__(self, inputs: int, outputs: int, *, neighbours: int = 20, factored: bool = False) -> None:
        super().__init__()
        self.layer = PointwiseLayer(2 * inputs, outputs, slope=SLOPE, bias=False)
        self.neighbours = neighbours
        self.factored = factored

    def forward(self, points: Tensor, mask: Tensor | None = None) -> Tensor:
        """Points ``(b, n, inputs)`` to points ``(b, n, outputs)``.

        Args:
            points: finite in the place of padding, too.
            mask: ``(b, n)``, True where a point is real; in the place of the others stand zeros. None: all are.
        """
        indices, valid = nearest_neighbours(points, self.neighbours, mask)
        centre = points[:, :, None]
        if not self.factored:
            beside = _gathered(points, indices)
            pairs = torch.cat([beside - centre, centre.expand_as(beside)], dim=-1)
            return largest(self.layer(pairs, valid), valid)
        of_neighbour, of_centre = self._parts(points)
        mapped = _gathered(of_neighbour, indices) + of_centre[:, :, None]
        return largest(self.layer.finish(mapped, valid), valid)

    def _parts(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """``U x`` and ``(V − U) x`` of each point, ``(b, n, outputs)``."""
        linear = self.layer.linear
        if is_plain(linear, nn.Linear):
            beside_weight, centre_weight = linear.weight.chunk(2, dim=1)
            return points @ beside_weight.mT, points @ (centre_weight - beside_weight).mT
        # What stands in its place, such as a layer of fewer bits, knows best what to do with its weights.
        return (
            linear(torch.cat([points, torch.zeros_like(points)], dim=-1)),
            linear(torch.cat([-points, points], dim=-1)),
        )


@torch.no_grad()
def nearest_neighbours(points: Tensor, neighbours: int, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Places of the k nearest points of each point, the nearest first; a point is its own neighbour.

    Args:
        points: ``(b, n, c)``, finite in the place of padding, too.
        neighbours: k; all points if there are fewer.
        mask: ``(b, n)``, True where a point is real. The others are nobody's neighbours, and have none. None: all are.

    Returns:
        Indices ``(b, n, min(k, n))``, and whether each is that of a neighbour; None: all are. A point of a cloud of
        fewer than k has others at the end.

    Example:
        >>> nearest_neighbours(torch.tensor([[[0.0], [1.0], [3.0]]]), 2)[0].tolist()
        [[[0, 1], [1, 0], [2, 1]]]
    """
    points = points.to(torch.promote_types(points.dtype, torch.float32))
    distances = torch.cdist(points, points)
    if mask is None:
        return distances.topk(min(neighbours, points.shape[1]), largest=False).indices, None
    distances = distances.masked_fill(~mask[:, None], torch.inf)
    indices = distances.topk(min(neighbours, points.shape[1]), largest=False).indices
    real = mask.gather(1, indices.flatten(1)).unflatten(1, indices.shape[1:])
    return indices, real & mask[:, :, None]


def _gathered(points: Tensor, indices: Tensor) -> Tensor:
    """The points ``(b, n, k, c)`` at places ``(b, n, k)``."""
    batch, length, width = points.shape
    starts = torch.arange(0, batch * length, length, device=points.device)[:, None, None]
    return points.reshape(-1, width)[(indices + starts).flatten()].unflatten(0, indices.shape)
