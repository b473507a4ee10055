"""Zeros in the places of padding."""

from typing import Any

import torch
from jaxtyping import Bool, Num
from torch import Tensor

from sampleformer.tracing import is_readable

_MANY = 1 << 14  # below, calls cost more than numbers
_WORDS = {8: torch.int64, 4: torch.int32, 2: torch.int16}


def zeroed(values: Num[Tensor, "..."], keep: Bool[Tensor, "..."]) -> Num[Tensor, "..."]:
    """The values where they are kept, elsewhere 0, whatever was there (NaN too, in value and gradient).

    ``values.masked_fill(~keep, 0)``, which on CPUs copies and then fills one number after the other: eight times as
    long as the bits of each number *and* a word of ones or zeros, as here. Elsewhere, and while tracing, torch's own.

    Args:
        values: Any numbers.
        keep: True where a value stays; as many dimensions as the values, of their sizes or 1.

    Example:
        >>> zeroed(torch.tensor([[1.0, torch.nan]]), torch.tensor([[True, False]]))
        tensor([[1., 0.]])
    """
    # Asked first: what is traced must not depend on the size of its example.
    many = not torch.compiler.is_compiling() and values.numel() >= _MANY
    if many and values.is_floating_point() and is_readable(values) and is_readable(keep):
        result: Tensor = _Zeroed.apply(values, -keep.to(word_type(values)))
        return result
    return values.masked_fill(~keep, 0)


def word_type(values: Tensor) -> torch.dtype:
    """Integers of the size of the values, whose bits they show in ``values.view``.

    Example:
        >>> word_type(torch.zeros(1))
        torch.int32
    """
    return _WORDS[values.element_size()]


class _Zeroed(torch.autograd.Function):
    # Not with setup_context: torch then looks up the signature at each call, which takes longer than the work.
    @staticmethod
    def forward(ctx: Any, values: Tensor, words: Tensor) -> Tensor:
        ctx.save_for_backward(words)
        ctx.save_for_forward(words)
        return (values.view(words.dtype) & words).view(values.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (words,) = ctx.saved_tensors
        # Autocast may give another precision back; all bits stay set.
        return _Zeroed.apply(gradient, words.to(word_type(gradient))), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        (words,) = ctx.saved_tensors
        found: Tensor = _Zeroed.apply(tangent, words)
        return found
