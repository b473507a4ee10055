"""Softmax attention over keys of which each counts so many times, perhaps zero times."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

# Pairs of a query and a key that the backward pass works on at once: 1 MiB of float32, which a processor's cache holds,
# and on other devices enough to keep them busy.
PAIRS_PER_BLOCK = 2**18
PAIRS_PER_CALL = 2**26
_LARGEST_EXPONENT = 30.0


def counted_attention(
    query: Float[Tensor, "b h n e"],
    key: Float[Tensor, "b h m e"],
    value: Float[Tensor, "b h m e"],
    presence: Float[Tensor, "b #h m"],
    valid: Bool[Tensor, "b #h m"] | None = None,
) -> Float[Tensor, "b h n e"]:
    """``out_i = Σ_j A_ij v_j`` with ``A_ij = z_j exp(q_i·k_j / √e) / Σ_j z_j exp(q_i·k_j / √e)``.

    The gradient of z is ``Σ_i A_ij / z_j ⟨g_i, v_j − out_i⟩``. Where z_j is zero it is what would change if j were
    there as a whole: ``Σ_i B_ij ⟨g_i, v_j − out_i⟩`` with ``B_ij = exp a_ij / (exp a_ij + Σ_l z_l exp a_il)``, the
    weight that it would have. The derivative at zero itself has no bound: of a key that matches far better than
    those present, the smallest part changes everything.

    Forward this is torch's fused attention; backward the weights are made anew, a block of queries at a time (when
    compiled, for all at once), so no tensor of n·m numbers is kept. There is no second derivative.

    Args:
        query: of the tokens that attend.
        key: of what they attend to.
        value: of what they attend to.
        presence: z >= 0, how often each key counts.
        valid: False where a key is none and changes nothing. None: all are keys.

    Returns:
        Zeros where no key counts.

    Example:
        >>> query, key, value = torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 3, 2), torch.eye(3, 2)[None, None]
        >>> counted_attention(query, key, value, torch.tensor([[[3.0, 1.0, 0.0]]]))
        tensor([[[[0.7500, 0.2500]]]])
    """
    presence = presence if valid is None else presence.masked_fill(~valid, 0)
    result: Tensor = _CountedAttention.apply(query, key, value, presence, valid)
    return result


class _CountedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, presence: Tensor, valid: Tensor | None) -> Tensor:
        nothing = (presence <= 0).all(-1, keepdim=True)
        counts = presence.masked_fill(nothing, 1).log().to(query.dtype)
        # Where nothing counts all is seen, so that no softmax runs over nothing, and zeros are found.
        seen = value.masked_fill(nothing[..., None], 0)
        out = F.scaled_dot_product_attention(query, key, seen, attn_mask=counts[:, :, None, :])
        ctx.save_for_backward(query, key, value, presence, valid, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, presence, valid, out = ctx.saved_tensors
        batch, heads, _, _ = query.shape
        rows = batch * heads
        weights = presence.expand(batch, heads, -1).reshape(rows, 1, -1)
        exists = torch.ones_like(weights, dtype=torch.bool)
        if valid is not None:
            exists = valid.expand(batch, heads, -1).reshape(rows, 1, -1)
        of_query, of_key, of_value, of_presence = _in_blocks(
            query.flatten(0, 1),
            key.flatten(0, 1),
            value.flatten(0, 1),
            weights.to(torch.promote_types(query.dtype, torch.float32)),
            exists,
            out.flatten(0, 1),
            gradient.flatten(0, 1),
        )
        of_presence = of_presence.unflatten(0, (batch, heads)).sum_to_size(presence.shape).to(presence.dtype)
        of_query, of_key, of_value = (
            found.view_as(tensor).to(tensor.dtype)
            for found, tensor in ((of_query, query), (of_key, key), (of_value, value))
        )
        return of_query, of_key, of_value, of_presence, None


def _in_blocks(
    query: Tensor, key: Tensor, value: Tensor, presence: Tensor, valid: Tensor, out: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of query, key, value and presence: rows (r, …) at a time, and of those some queries at a time."""
    rows, length, width = query.shape
    keys = key.shape[1]
    pairs = PAIRS_PER_BLOCK if query.device.type == "cpu" else PAIRS_PER_CALL
    whole = torch.compiler.is_compiling()
    at_once = length if whole else min(length, max(64, pairs // max(1, keys)))
    together = rows if whole else max(1, pairs // max(1, at_once * keys))
    wide = presence.dtype
    parts = []
    for row in range(0, max(1, rows), together):
        some = slice(row, row + together)
        keys_here, values_here, counts = (tensor[some].to(wide) for tensor in (key, value, presence))
        sums = [torch.zeros_like(tensor) for tensor in (keys_here, values_here, counts)]
        of_queries = []
        for first in range(0, max(1, length), at_once):
            queries = slice(first, first + at_once)
            asked, got, wanted = (tensor[some, queries].to(wide) for tensor in (query, out, gradient))
            found = _of_block(asked, got, wanted, keys_here, values_here, counts, valid[some], width)
            of_queries.append(found[0])
            for total, part in zip(sums, found[1:], strict=True):
                total += part
        parts.append((torch.cat(of_queries, 1), *sums))
    of_query, of_key, of_value, of_presence = (torch.cat(each) for each in zip(*parts, strict=True))
    return of_query, of_key, of_value, of_presence.squeeze(1)


def _of_block(
    query: Tensor,
    out: Tensor,
    gradient: Tensor,
    key: Tensor,
    value: Tensor,
    presence: Tensor,
    valid: Tensor,
    width: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    scale = 1 / math.sqrt(width)
    logits = torch.bmm(query * scale, key.mT)
    largest = logits.masked_fill(presence <= 0, -torch.inf).amax(-1, keepdim=True)
    # What is absent may lie far above the largest that counts.
    exponentials = (logits - largest.clamp(min=torch.finfo(logits.dtype).min)).clamp_(max=_LARGEST_EXPONENT).exp_()
    total = (exponentials * presence).sum(-1, keepdim=True)
    with_it = torch.where(presence > 0, total, total + exponentials)
    each = exponentials / with_it.masked_fill_(with_it == 0, 1)
    each = each.masked_fill_(~valid | (total == 0), 0)
    pull = torch.bmm(gradient, value.mT) - (gradient * out).sum(-1, keepdim=True)
    pull = pull.mul_(each)
    of_presence = pull.sum(1, keepdim=True)
    of_logits = pull * presence
    of_query = torch.bmm(of_logits, key) * scale
    of_key = torch.bmm(of_logits.mT, query) * scale
    return of_query, of_key, torch.bmm((each * presence).mT, gradient), of_presence
