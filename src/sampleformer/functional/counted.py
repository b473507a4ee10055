"""Softmax attention over keys of which each counts so many times, perhaps zero times.

Floor of the backward pass, for n queries, m keys that count and r that do not, of width e: ``10 n m e`` operations for
the keys that count, as torch's fused attention has them, and ``4 n r e`` for the others, with one exponential for each
of the n (m + r) pairs. A key that does not count takes no part in the forward pass.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from sampleformer.tracing import folded
from sampleformer.zeroing import zeroed

# Pairs of a query and a key that the backward pass works on at once: half a MiB of float32, for a processor's cache,
# and on other devices enough to keep them busy.
PAIRS_PER_BLOCK = 2**17
PAIRS_PER_CALL = 2**26


def counted_attention(
    query: Float[Tensor, "b h n e"],
    key: Float[Tensor, "b h m e"],
    value: Float[Tensor, "b h m e"],
    presence: Float[Tensor, "b #h m"],
    valid: Bool[Tensor, "b #h m"] | None = None,
    *,
    present: int | None = None,
) -> Float[Tensor, "b h n e"]:
    """``out_i = Σ_j A_ij v_j`` with ``A_ij = z_j exp(q_i·k_j / √e) / Σ_j z_j exp(q_i·k_j / √e)``.

    The gradient of z is ``Σ_i A_ij / z_j ⟨g_i, v_j − out_i⟩``. Where z_j is zero it is what would change if j were
    there as a whole: ``Σ_i B_ij ⟨g_i, v_j − out_i⟩`` with ``B_ij = exp a_ij / (exp a_ij + Σ_l z_l exp a_il)``, the
    weight that it would have. The derivative at zero itself has no bound: of a key that matches far better than
    those present, the smallest part changes everything.

    Forward this is torch's fused attention; backward the weights are made anew, a block of pairs at a time (when
    compiled, for all at once), so no tensor of n·m numbers is kept.

    Args:
        query: of the tokens that attend.
        key: of what they attend to.
        value: of what they attend to.
        presence: z >= 0, how often each key counts.
        valid: False where a key is none and changes nothing. None: all are keys.
        present: how many of the keys, from the first on, may count; presence is zero for the others, and more than
            zero for the valid ones among these. It spares the forward pass all that does not count. None: presence
            alone says it.

    Returns:
        Zeros where no key counts.

    Example:
        >>> query, key, value = torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 3, 2), torch.eye(3, 2)[None, None]
        >>> counted_attention(query, key, value, torch.tensor([[[3.0, 1.0, 0.0]]]))
        tensor([[[[0.7500, 0.2500]]]])
    """
    if valid is not None:
        presence = presence.masked_fill(~valid, 0)
    counting = key.shape[2] if present is None else present
    if counting == 0:  # a sum over nothing
        return query @ key[:, :, :0].mT @ value[:, :, :0]
    start = 0 if present is None else present  # of the keys that may be absent
    result: Tensor = _CountedAttention.apply(
        query,
        key[:, :, :counting],
        value[:, :, :counting],
        presence[..., :counting],
        key[:, :, start:],
        value[:, :, start:],
        presence[..., start:],
        None if valid is None else valid[..., start:],
    )
    return result


class _CountedAttention(torch.autograd.Function):
    """Of keys that count, and of keys that may be absent: these have a gradient for their presence alone."""

    @staticmethod
    def forward(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        presence: Tensor,
        absent_key: Tensor,
        absent_value: Tensor,
        absent_presence: Tensor,
        absent_valid: Tensor | None,
    ) -> Tensor:
        value, counts, _ = _seen(value, presence)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=counts[:, :, None, :].to(query.dtype))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Tensor | None) -> tuple[Tensor, int]:
        # Torch's fused attention has no batching rule.
        found: tuple[Tensor, int] = folded(_CountedAttention.apply)(info, in_dims, *given)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, presence, absent_key, absent_value, absent_presence, absent_valid, out = ctx.saved_tensors
        seen, counts, nothing = _seen(value, presence)
        of_query, of_key, of_value, of_counts, of_absent = _in_blocks(
            query, key, seen, counts, absent_key, absent_value, out, gradient
        )
        of_presence = of_counts.sum_to_size(presence.shape) / presence.masked_fill(presence <= 0, torch.inf)
        stays = nothing | (absent_presence > 0)
        if absent_valid is not None:
            stays = stays | ~absent_valid
        of_absent = of_absent.masked_fill(stays, 0).sum_to_size(absent_presence.shape)
        return (
            of_query.to(query.dtype),
            of_key.to(key.dtype),
            zeroed(of_value, ~nothing[..., None]).to(value.dtype),
            of_presence.to(presence.dtype),
            None,
            None,
            of_absent.to(absent_presence.dtype),
            None,
        )


def softmax_gradients(
    query: Tensor, key: Tensor, value: Tensor, valid: Tensor | None, out: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of query, key and value where each key counts once, made so that they have gradients themselves.

    Args:
        query, key, value, valid: as of `counted_attention`.
        out: the result.
        gradient: g, of the result.
    """
    presence = key.new_ones(key.shape[0], 1, key.shape[2]) if valid is None else valid.to(key.dtype)
    value, counts, nothing = _seen(value, presence)
    of_query, of_key, of_value, *_ = _in_blocks(
        query, key, value, counts, key[:, :, :0], value[:, :, :0], out, gradient
    )
    of_value = zeroed(of_value, ~nothing[..., None])
    return of_query.to(query.dtype), of_key.to(key.dtype), of_value.to(value.dtype)


def _seen(value: Tensor, presence: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values, logarithms of how often each counts, and where nothing does: there all count, and are zero."""
    nothing = (presence <= 0).all(-1, keepdim=True)
    return zeroed(value, ~nothing[..., None]), presence.masked_fill(nothing, 1).log(), nothing


def _in_blocks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    counts: Tensor,
    absent_key: Tensor,
    absent_value: Tensor,
    out: Tensor,
    gradient: Tensor,
) -> tuple[Tensor, ...]:
    """Gradients of query, key, value, counts and of what is absent, some samples and queries at a time."""
    batch, heads, length, _ = query.shape
    wide = torch.promote_types(query.dtype, torch.float32)
    pairs = heads * max(1, key.shape[2], absent_key.shape[2])
    samples, at_once = max(1, batch), max(1, length)
    if not torch.compiler.is_compiling():
        most = PAIRS_PER_BLOCK if query.device.type == "cpu" else PAIRS_PER_CALL
        at_once = min(at_once, max(64, most // pairs))
        samples = max(1, most // (pairs * at_once))
    parts = []
    for first in range(0, max(1, batch), samples):
        some = slice(first, first + samples)
        keys = [tensor[some].flatten(0, 1).to(wide) for tensor in (key, value, absent_key, absent_value)]
        bias = counts[some].expand(-1, heads, -1).flatten(0, 1)[:, None].to(wide)
        of_queries, sums = [], []
        for start in range(0, max(1, length), at_once):
            asked, found, wanted = (
                tensor[some, :, start : start + at_once].flatten(0, 1).to(wide) for tensor in (query, out, gradient)
            )
            of_query, *more = _of_block(asked, found, wanted, bias, *keys)
            # Queries before heads, as they lie in what was projected.
            of_queries.append(of_query.unflatten(0, (-1, heads)).transpose(1, 2))
            sums.append(more)
        totals = [sum(of_all[1:], of_all[0]).unflatten(0, (-1, heads)) for of_all in zip(*sums, strict=True)]
        parts.append((torch.cat(of_queries, 1), *totals))
    of_query, *totals = (torch.cat(each) for each in zip(*parts, strict=True))
    return of_query.transpose(1, 2), *totals


def _of_block(
    query: Tensor,
    out: Tensor,
    gradient: Tensor,
    counts: Tensor,
    key: Tensor,
    value: Tensor,
    absent_key: Tensor,
    absent_value: Tensor,
) -> tuple[Tensor, ...]:
    scale = 1 / math.sqrt(query.shape[-1])
    key, absent_key = key * scale, absent_key * scale
    logits = torch.baddbmm(counts, query, key.mT)
    weights = logits.softmax(-1)
    through_out = -(gradient * out).sum(-1, keepdim=True)
    of_logits = torch.baddbmm(through_out, gradient, value.mT).mul_(weights)
    # The logarithm of the sum of the exponentials is what the softmax took off its largest logit.
    less_log_total = weights.amax(-1, keepdim=True).log() - logits.amax(-1, keepdim=True)
    joins = torch.baddbmm(less_log_total, query, absent_key.mT).sigmoid_()
    of_absent = torch.baddbmm(through_out, gradient, absent_value.mT).mul_(joins)
    return (
        torch.bmm(of_logits, key),
        torch.bmm(of_logits.mT, query) * scale,
        torch.bmm(weights.mT, gradient),
        of_logits.sum(1),
        of_absent.sum(1),
    )
