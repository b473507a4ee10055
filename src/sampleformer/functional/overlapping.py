"""Blocks of a sequence that overlap: each with some tokens of its neighbours."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor

from sampleformer.tracing import folded


def overlapping_blocks(
    of_tokens: Shaped[Tensor, "b n *rest"], size: int, blocks: int, reach: int
) -> Shaped[Tensor, "b blocks _ *rest"]:
    """Consecutive blocks of a sequence, each with so many tokens before it and after it; zeros beyond the ends.

    The blocks are a view of one copy of the sequence, and its gradient adds up what they have of each token, where
    torch's own fills a tensor with zeros for each piece.

    Args:
        of_tokens: Anything that n tokens carry.
        size: Tokens of a block.
        blocks: Number of blocks, ``blocks · size >= n``.
        reach: Tokens on either side of a block.

    Returns:
        ``size + 2 reach`` tokens a block.

    Example:
        >>> overlapping_blocks(torch.tensor([[1, 2, 3]]), 2, 2, 1)
        tensor([[[0, 1, 2, 3],
                 [2, 3, 0, 0]]])
    """
    found: Tensor = _Overlapping.apply(of_tokens, size, blocks, reach)
    return found


class _Overlapping(torch.autograd.Function):
    @staticmethod
    def forward(of_tokens: Tensor, size: int, blocks: int, reach: int) -> Tensor:
        rest = (0, 0) * (of_tokens.ndim - 2)
        # Both numbers are given: finding one from the other takes torch.export a minute a layer.
        padded = F.pad(of_tokens, (*rest, reach, blocks * size - of_tokens.shape[1] + reach))
        return padded.unfold(1, size + 2 * reach, size).movedim(-1, 2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        of_tokens, *ctx.cut = inputs
        ctx.length = of_tokens.shape[1]

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[Tensor, int]:
        found: tuple[Tensor, int] = folded(_Overlapping.apply)(info, in_dims, *given)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        size, blocks, reach = ctx.cut
        further = -(-2 * reach // size)  # blocks beside its own that a block reaches into
        total = gradient.new_zeros(gradient.shape[0], blocks + further, size, *gradient.shape[3:])
        for number, part in enumerate(gradient.split(size, 2)):
            total[:, number : number + blocks, : part.shape[2]] += part
        return total.flatten(1, 2)[:, reach : reach + ctx.length], None, None, None
