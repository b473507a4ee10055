"""PointNet: every point by itself, then the largest value of each feature."""

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from sampleformer.models.base import AnyModelSettings, Model
from sampleformer.models.pointwise import PointwiseLayers, coordinates_of, largest
from sampleformer.modules import Module, start_with
from sampleformer.tokens import Tokens, as_tokens

LOCAL = 64
GLOBAL = 1024


PENALTY = 0.001
"""Weight of the orthogonality of the feature transform, as published."""


class PointNetSettings(AnyModelSettings):
    """Settings of `PointNet`.

    Args:
        name: "pointnet".
        dropout: Of the 256 features before the last layer.
    """

    name: str = "pointnet"
    dropout: float = Field(default=0.3, ge=0, lt=1)


class PointNet(Model):
    """The classification network, with its input and its feature transform.

    Points → 3 × 3 transform → 64, 64 → 64 × 64 transform → 64, 128, 1024 → maximum over the points → 512, 256 →
    outputs; batch norm and ReLU after every layer but the last, dropout before it. It sees coordinates alone. A
    cloud without points has zeros in the place of the maximum.

    Args:
        settings: `PointNetSettings`.
        inputs: What the data says of points; not used.
        outputs: Number of outputs.
        level: "sample".

    Source: PointNet (arXiv 1612.00593), figure 2 and supplementary section C.

    Example:
        >>> model = PointNet(PointNetSettings(), {"normals": False}, 40).eval()
        >>> model(Tokens(torch.zeros(2, 1024, 0), coordinates=torch.zeros(2, 1024, 3))).shape
        torch.Size([2, 40])
    """

    name = "pointnet"
    Settings = PointNetSettings
    needs = ("normals",)
    example: ClassVar[dict[str, Any]] = {"normals": False}

    def build(self, settings: PointNetSettings) -> None:
        self.input_transform = _Transform(3)
        self.enter = PointwiseLayers(3, LOCAL, LOCAL)
        self.feature_transform = _Transform(LOCAL)
        self.local = PointwiseLayers(LOCAL, LOCAL, 128, GLOBAL)
        self.head = nn.Sequential(
            PointwiseLayers(GLOBAL, 512, 256), nn.Dropout(settings.dropout), nn.Linear(256, self.outputs)
        )

    def forward(self, tokens: Tokens | Tensor, **questions: Tensor) -> Float[Tensor, "b outputs"]:
        """Outputs of clouds."""
        return self._outputs(as_tokens(tokens))[0]

    def with_penalty(self, tokens: Tokens, **questions: Tensor) -> tuple[Tensor, Tensor | None]:
        """The outputs, and 0.001 of `orthogonality_loss`.

        Source: PointNet (arXiv 1612.00593), section 4.2 and equation 2.
        """
        outputs, transform = self._outputs(tokens)
        return outputs, PENALTY * orthogonality_loss(transform)

    def _outputs(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """Outputs ``(b, outputs)``, and the feature transforms ``(b, 64, 64)``."""
        points, mask = coordinates_of(tokens), tokens.mask
        entered = self.enter(points @ self.input_transform(points, mask), mask)
        transform = self.feature_transform(entered, mask)
        return self.head(largest(self.local(entered @ transform, mask), mask)), transform


def orthogonality_loss(transform: Tensor) -> Tensor:
    """``‖I − A Aᵀ‖²`` (Frobenius) of each cloud; the publication adds the mean to the loss with weight 0.001.

    Args:
        transform: A, ``(b, c, c)``.

    Source: PointNet (arXiv 1612.00593), equation 2.

    Example:
        >>> orthogonality_loss(2 * torch.eye(3)[None])
        tensor([27.])
    """
    identity = torch.eye(transform.shape[-1], dtype=transform.dtype, device=transform.device)
    return (identity - transform @ transform.mT).square().sum((1, 2))


class _Transform(Module):
    """A small PointNet that finds a matrix for each cloud; the identity at the start."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.local = PointwiseLayers(channels, 64, 128, GLOBAL)
        self.head = PointwiseLayers(GLOBAL, 512, 256)
        self.output = nn.Linear(256, channels * channels)
        start_with(self.output, _identity)

    def forward(self, points: Tensor, mask: Tensor | None = None) -> Tensor:
        """Matrices ``(b, channels, channels)`` of the points ``(b, n, channels)`` where the mask ``(b, n)`` is True."""
        found = self.output(self.head(largest(self.local(points, mask), mask)))
        return found.unflatten(-1, (points.shape[-1], points.shape[-1]))


@torch.no_grad()
def _identity(layer: nn.Linear) -> None:
    """The identity for whatever comes in."""
    nn.init.zeros_(layer.weight)
    layer.bias.copy_(torch.eye(round(layer.out_features**0.5)).flatten())
