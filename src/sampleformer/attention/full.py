"""Every token attends to every token."""

from torch import nn

from sampleformer.attention.base import Attention


class FullAttention(Attention):
    """Softmax attention over all tokens, the yardstick: cost O(n²).

    ``softmax(q kᵀ / √e) v`` in each head, through `torch.nn.functional.scaled_dot_product_attention`.

    Args:
        width: d, of the tokens.
        heads: h, must divide the width.
        norm: applied to the features before the projections.
        bias: whether the projections have one.

    Raises:
        ValueError: as `Attention`.

    Source: Vaswani et al. 2017 (arXiv 1706.03762), section 3.2.

    Example:
        >>> import torch
        >>> from sampleformer import Tokens
        >>> FullAttention(8, 2)(Tokens(torch.zeros(1, 5, 8))).shape
        torch.Size([1, 5, 8])
    """

    def __init__(self, width: int, heads: int, *, norm: nn.Module | None = None, bias: bool = True) -> None:
        super().__init__(width, heads, norm=norm, bias=bias)
