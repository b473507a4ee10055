"""PointNet: every point by itself, then the largest value of each feature."""

import itertools

import torch
from torch import Tensor, nn

from sampleformer.bench.peers.pointwise import PointwiseLayer

LOCAL = 64
GLOBAL = 1024


class PointNet(nn.Module):
    """The classification network, with its input and its feature transform.

    Points → 3 × 3 transform → 64, 64 → 64 × 64 transform → 64, 128, 1024 → maximum over the points → 512, 256 →
    classes; batch norm and ReLU after every layer but the last, dropout before it.

    Args:
        classes: numbers in an answer.
        channels: of a point, 3 in the publication: its coordinates.
        dropout: of the 256 features before the last layer.

    Source: PointNet (arXiv 1612.00593), figure 2 and supplementary section C.

    Example:
        >>> PointNet(40).eval()(torch.zeros(2, 1024, 3)).shape
        torch.Size([2, 40])
    """

    def __init__(self, classes: int, *, channels: int = 3, dropout: float = 0.3) -> None:
        super().__init__()
        self.input_transform = _Transform(channels)
        self.enter = _layers(channels, LOCAL, LOCAL)
        self.feature_transform = _Transform(LOCAL)
        self.local = _layers(LOCAL, LOCAL, 128, GLOBAL)
        self.head = nn.Sequential(_layers(GLOBAL, 512, 256), nn.Dropout(dropout), nn.Linear(256, classes))

    def forward(self, points: Tensor) -> Tensor:
        """Logits ``(b, classes)`` of clouds ``(b, n, channels)``."""
        return self.answers(points)[0]

    def answers(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and the feature transforms ``(b, 64, 64)`` that `orthogonality_loss` holds back."""
        entered = self.enter(points @ self.input_transform(points))
        transform = self.feature_transform(entered)
        return self.head(self.local(entered @ transform).amax(1)), transform


def orthogonality_loss(transform: Tensor) -> Tensor:
    """``‖I − A Aᵀ‖²`` (Frobenius), mean over the clouds; the publication adds it to the loss with weight 0.001.

    Args:
        transform: A, ``(b, c, c)``.

    Source: PointNet (arXiv 1612.00593), equation 2.

    Example:
        >>> orthogonality_loss(2 * torch.eye(3)[None])
        tensor(27.)
    """
    identity = torch.eye(transform.shape[-1], dtype=transform.dtype, device=transform.device)
    return (identity - transform @ transform.mT).square().sum((1, 2)).mean()


class _Transform(nn.Module):
    """A small PointNet that finds a matrix for each cloud; the identity at the start."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.local = _layers(channels, 64, 128, GLOBAL)
        self.head = _layers(GLOBAL, 512, 256)
        self.output = nn.Linear(256, channels * channels)
        nn.init.zeros_(self.output.weight)
        with torch.no_grad():
            self.output.bias.copy_(torch.eye(channels).flatten())

    def forward(self, points: Tensor) -> Tensor:
        """Matrices ``(b, channels, channels)``."""
        return self.output(self.head(self.local(points).amax(1))).unflatten(-1, (points.shape[-1], points.shape[-1]))


def _layers(*widths: int) -> nn.Sequential:
    return nn.Sequential(*(PointwiseLayer(*pair) for pair in itertools.pairwise(widths)))
