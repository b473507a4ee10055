"""No sampling: every head attends to every token."""

import torch
from torch import Tensor

from sampleformer.attention.samplers.base import Sampler
from sampleformer.attention.samplers.choice import Choice
from sampleformer.tokens import Tokens


class Everything(Sampler):
    """Chooses all tokens, in their order, once for all heads.

    Example:
        >>> Everything()(Tokens(torch.zeros(1, 3, 8)), None).indices
        tensor([[[0, 1, 2]]])
    """

    selects = False

    def __init__(self) -> None:
        super().__init__(groups=1, sampled=1)

    def forward(self, context: Tokens, noise: Tensor | None) -> Choice:
        """All tokens."""
        indices = torch.arange(context.length, device=context.features.device).expand(context.batch, 1, -1)
        return Choice(indices, None if context.mask is None else context.mask[:, None], slots=context.length)

    def extra_repr(self) -> str:
        return ""
