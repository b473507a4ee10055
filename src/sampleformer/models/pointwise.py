"""What PointNet and DGCNN are made of."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sampleformer.errors import InputError
from sampleformer.norms import BatchNorm
from sampleformer.tokens import Tokens
from sampleformer.zeroing import zeroed


class PointwiseLayer(nn.Module):
    """``activation(norm(x W + b))`` for each vector by itself: a "shared MLP" layer of the publications.

    The batch norm takes its statistics over every real vector there is, as one over ``(b, n)`` or ``(b, n, k)`` does.

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

    def forward(self, vectors: Tensor, mask: Tensor | None = None) -> Tensor:
        """Vectors ``(…, inputs)`` to vectors ``(…, outputs)``.

        Args:
            vectors: finite in the place of padding, too.
            mask: ``(…)``, True where a vector is real; the others enter no statistics. None: all are.
        """
        return self.finish(self.linear(vectors), mask)

    def finish(self, mapped: Tensor, mask: Tensor | None = None) -> Tensor:
        """Norm and activation of what the linear map gave."""
        normal = self.norm(mapped, mask)
        return F.leaky_relu(normal, self.slope) if self.slope else F.relu(normal)


class PointwiseLayers(nn.ModuleList):
    """`PointwiseLayer`, one after the other.

    Args:
        widths: of a vector before the first, between them and behind the last.

    Example:
        >>> import torch
        >>> PointwiseLayers(3, 16, 8)(torch.zeros(2, 5, 3)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, *widths: int) -> None:
        super().__init__(PointwiseLayer(*pair) for pair in itertools.pairwise(widths))

    def forward(self, vectors: Tensor, mask: Tensor | None = None) -> Tensor:
        """Vectors ``(…, inputs)`` to vectors ``(…, outputs)``; arguments as for `PointwiseLayer`."""
        for layer in self:
            vectors = layer(vectors, mask)
        return vectors


def largest(vectors: Tensor, mask: Tensor | None) -> Tensor:
    """Largest value of each feature over real vectors; none gives zeros.

    Args:
        vectors: ``(…, n, c)``.
        mask: ``(…, n)``, True where a vector is real. None: all are.

    Returns:
        ``(…, c)``.

    Example:
        >>> import torch
        >>> largest(torch.tensor([[[1.0], [3.0]]]), torch.tensor([[True, False]]))
        tensor([[1.]])
    """
    if mask is None:
        return vectors.amax(-2)
    found = vectors.masked_fill(~mask[..., None], -torch.inf).amax(-2)
    return found.masked_fill(~mask.any(-1, keepdim=True), 0)


def coordinates_of(tokens: Tokens) -> Tensor:
    """Coordinates ``(b, n, 3)`` of clouds, zeros in the place of padding.

    Raises:
        InputError: if there are none.
    """
    if tokens.coordinates is None:
        raise InputError("the tokens have no coordinates, expected those of points")
    return tokens.coordinates if tokens.mask is None else zeroed(tokens.coordinates, tokens.mask[..., None])
