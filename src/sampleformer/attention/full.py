"""Every token attends to every token."""

import torch
from torch import Tensor

from sampleformer.attention.base import Attention, Selection
from sampleformer.tokens import Tokens


class FullAttention(Attention):
    """Softmax attention over all tokens, the yardstick: cost O(n²).

    ``softmax(q kᵀ / √e) v`` in each head, through `torch.nn.functional.scaled_dot_product_attention`.

    Args, Raises: those of `Attention`.

    Source: Vaswani et al. 2017 (arXiv 1706.03762), section 3.2.

    Example:
        >>> FullAttention(8, 2)(Tokens(torch.zeros(1, 5, 8))).shape
        torch.Size([1, 5, 8])
    """

    def keys_and_values(self, context: Tokens, noise: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None, Selection]:
        """All keys and values."""
        key, value = self.key_value(self.norm(context.features)).chunk(2, dim=-1)
        batch, length = context.batch, context.length
        everything = torch.arange(length, device=key.device).expand(batch, self.heads, length)
        valid = None if context.mask is None else context.mask[:, None, :]
        all_valid = torch.ones_like(everything, dtype=torch.bool) if valid is None else valid.expand_as(everything)
        return self._split(key), self._split(value), valid, Selection(everything, all_valid)
