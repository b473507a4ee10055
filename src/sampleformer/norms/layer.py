"""LayerNorm: each token shifted and divided, so that it has mean 0 and variance 1."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sampleformer.norms.base import Norm


class LayerNorm(Norm):
    """``(x - mean(x)) / sqrt(variance(x) + epsilon) · weight + bias`` of each token.

    Args:
        width: d, of the tokens.
        epsilon: added to the variance.

    Source: Ba et al. 2016 (arXiv 1607.06450).

    Example:
        >>> LayerNorm(2)(torch.tensor([[[3.0, 5.0]]]))
        tensor([[[-1.0000,  1.0000]]], grad_fn=<NativeLayerNormBackward0>)
    """

    def __init__(self, width: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width))
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(
        self, features: Float[Tensor, "*rows d"], mask: Bool[Tensor, "*rows"] | None = None
    ) -> Float[Tensor, "*rows d"]:
        """Normalises each token by itself; the mask does not matter."""
        weight, bias = self.weight.to(features.dtype), self.bias.to(features.dtype)
        return F.layer_norm(features, weight.shape, weight, bias, self.epsilon)

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, epsilon={self.epsilon}"
