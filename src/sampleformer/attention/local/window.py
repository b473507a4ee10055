"""Every token attends to its neighbours in the sequence."""

from torch import nn

from sampleformer.attention.base import Attention, check_heads
from sampleformer.attention.mixings import WindowMixing


class WindowAttention(Attention):
    """Softmax attention over the tokens at most so many places away: cost O(n·window).

    Everything with a `WindowMixing`. Beside an attention that samples, it sees what is near: `EncoderLayer` takes it as
    ``local``, a model's settings as ``local: {name: window, window: 64}``. It depends on the order of the tokens and
    takes no other context.

    Args:
        width: d, of the tokens.
        heads: h, must divide the width.
        window: how many places to each side a token sees; 0: itself alone.
        norm: applied to the features before the projections.
        bias: whether the projections have one.

    Raises:
        ValueError: if window < 0; and as `Attention`.

    Source: Longformer (arXiv 2004.05150), section 3.1.

    Example:
        >>> import torch
        >>> from sampleformer import Tokens
        >>> WindowAttention(8, 2, window=1)(Tokens(torch.zeros(1, 5, 8))).shape
        torch.Size([1, 5, 8])
    """

    def __init__(
        self, width: int, heads: int, *, window: int = 64, norm: nn.Module | None = None, bias: bool = True
    ) -> None:
        check_heads(width, heads)
        super().__init__(width, heads, mixing=WindowMixing(window), norm=norm, bias=bias)
