"""No sampling: every head attends to every token."""

import torch
from torch import Tensor

from sampleformer.attention.samplers.base import Sampler
from sampleformer.attention.samplers.choice import Choice
from sampleformer.distributed.over_shards import places
from sampleformer.distributed.token_shards import current_shard
from sampleformer.tokens import Tokens


class Everything(Sampler):
    """Chooses all tokens, in their order, once for all heads; where ranks share the tokens, those of this rank.

    Example:
        >>> Everything()(Tokens(torch.zeros(1, 3, 8)), None).indices
        tensor([[[0, 1, 2]]])
    """

    selects = False

    def __init__(self) -> None:
        super().__init__(groups=1, sampled=1)

    def forward(self, context: Tokens, noise: Tensor | None) -> Choice:
        """All tokens."""
        indices = places(context.length, context.features.device).expand(context.batch, 1, -1)
        valid = None if context.mask is None else context.mask[:, None]
        if valid is None and current_shard() is not None:  # other ranks may have padding
            valid = torch.ones_like(indices, dtype=torch.bool)
        return Choice(indices, valid, slots=context.length)

    def extra_repr(self) -> str:
        return ""
