"""The GELU that layers are built with."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sampleformer.tracing import is_readable


class GELU(nn.GELU):
    """``x Φ(x)``, as `torch.nn.GELU` has it.

    Of contiguous float32 on a CPU torch lets oneDNN make it, which compiles a program for each shape and direction that
    it has not seen lately; batches of unequal lengths bring new ones in nearly every step. A transposed tensor goes
    through torch's own kernel, which takes as long and compiles nothing.

    Example:
        >>> import torch
        >>> GELU()(torch.tensor([[0.0, 1.0]]))
        tensor([[0.0000, 0.8413]])
    """

    def forward(self, features: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """The same shape."""
        if features.ndim < 2 or not is_readable(features):
            return F.gelu(features)
        return F.gelu(features.mT).mT
