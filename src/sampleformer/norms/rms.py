"""RMSNorm: each token divided by its own size."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sampleformer.functional.norms import rms_norm
from sampleformer.norms.base import Norm


class RMSNorm(Norm):
    """``x / sqrt(mean(x²) + epsilon) · weight`` of each token.

    Args:
        width: d, of the tokens.
        epsilon: added to the mean square.

    Source: Zhang and Sennrich 2019 (arXiv 1910.07467).

    Example:
        >>> RMSNorm(2)(torch.tensor([[[3.0, 4.0]]])).shape
        torch.Size([1, 1, 2])
    """

    def __init__(self, width: int, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.empty(width))
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        nn.init.ones_(self.weight)

    def forward(
        self, features: Float[Tensor, "*rows d"], mask: Bool[Tensor, "*rows"] | None = None
    ) -> Float[Tensor, "*rows d"]:
        """Normalises each token by itself; the mask does not matter."""
        return rms_norm(features, self.weight, self.epsilon)

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, epsilon={self.epsilon}"
