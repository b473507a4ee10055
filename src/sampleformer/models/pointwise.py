"""The layer that PointNet and DGCNN are made of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sampleformer.errors import InputError
from sampleformer.norms import BatchNorm
from sampleformer.tokens import Tokens


class PointwiseLayer(nn.Module):
    """``activation(norm(x W + b))`` for each vector by itself: a "shared MLP" layer of the publications.

    The batch norm takes its statistics over every vector there is, as one over ``(b, n)`` or ``(b, n, k)`` does.

    Args:
        inputs: width of a vector.
        outputs: width of the result.
        slope: of the activation below zero; 0: ReLU.
        bias: whether the linear map has one.

    Example:
        >>> import torch
        >>> PointwiseLayer(3, 8)(torch.zeros(2, 5, 3)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, inputs: int, outputs: int, *, slope: float = 0.0, bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=bias)
        self.norm = BatchNorm(outputs)
        self.slope = slope

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors ``(…, inputs)`` to vectors ``(…, outputs)``."""
        return self.finish(self.linear(vectors))

    def finish(self, mapped: Tensor) -> Tensor:
        """Norm and activation of what the linear map gave."""
        normal = self.norm(mapped)
        return F.leaky_relu(normal, self.slope) if self.slope else F.relu(normal)


def filled_points(tokens: Tokens) -> Tensor:
    """Coordinates ``(b, n, 3)`` of clouds, of which a smaller one repeats its own points in the place of padding.

    The largest value over points is the same with and without them.

    Raises:
        InputError: if there are no coordinates, or a cloud has no point.
    """
    if tokens.coordinates is None:
        raise InputError("the tokens have no coordinates, expected those of points")
    if tokens.mask is None:
        return tokens.coordinates
    counts = tokens.mask.sum(1, keepdim=True)
    places = torch.arange(tokens.length, device=counts.device) % counts.clamp(min=1)
    return tokens.coordinates.gather(1, places[..., None].expand_as(tokens.coordinates))
