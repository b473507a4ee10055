"""Softmax attention by torch's fused kernels, which can be differentiated twice and transformed."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from sampleformer.functional.counted import counted_attention, softmax_gradients
from sampleformer.tracing import is_transformed


def fused_attention(
    query: Float[Tensor, "b h n e"],
    key: Float[Tensor, "b h m e"],
    value: Float[Tensor, "b h m e"],
    valid: Bool[Tensor, "b #h m"] | None = None,
) -> Float[Tensor, "b h n e"]:
    """``out_i = Σ_j A_ij v_j`` with ``A_i = softmax(q_i·k_j / √e)``, by torch's fused attention.

    Torch's fused kernels have neither second derivatives nor batching rules. Where a gradient is to be differentiated
    again, and under the transforms of `torch.func`, the gradients are those of `counted_attention`; otherwise they are
    torch's own.

    Args:
        query: One vector a query and head.
        key: One vector a key and head.
        value: One vector a key and head.
        valid: False where a key is none. None: all are keys.

    Returns:
        Zeros where no key is valid.

    Example:
        >>> query, key, value = torch.zeros(3, 1, 1, 2, 8)
        >>> fused_attention(query, key, value).shape
        torch.Size([1, 1, 2, 8])
    """
    if is_transformed(query, key, value):
        presence = key.new_ones(key.shape[0], 1, key.shape[2]) if valid is None else valid.to(key.dtype)
        return counted_attention(query, key, value, presence, valid, present=key.shape[2])
    if valid is None:
        out = F.scaled_dot_product_attention(query, key, value)
    else:
        # Where there is no key at all, all are seen and hold zeros, so that no softmax runs over nothing.
        nothing = ~valid.any(-1, keepdim=True)
        seen = value.masked_fill(nothing[..., None], 0)
        out = F.scaled_dot_product_attention(query, key, seen, attn_mask=(valid | nothing)[:, :, None, :])
    if torch.compiler.is_compiling() or not out.requires_grad:
        return out
    result: Tensor = _DifferentiableTwice.apply(out, query, key, value, valid)
    return result


class _DifferentiableTwice(torch.autograd.Function):
    """The result as it is; where a gradient is to be differentiated again, it goes past the kernel."""

    @staticmethod
    def forward(out: Tensor, query: Tensor, key: Tensor, value: Tensor, valid: Tensor | None) -> Tensor:
        return out.view_as(out)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor | None, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if not torch.is_grad_enabled():
            return gradient, None, None, None, None
        out, query, key, value, valid = ctx.saved_tensors
        return None, *softmax_gradients(query, key, value, valid, out, gradient), None
