"""Prepares what the kernels of Maxout attention read, and starts them; see `kernels.maxout`."""

import math

import torch
import triton
from torch import Tensor

from sampleformer.kernels.availability import interpreting
from sampleformer.kernels.maxout_backward_triton import backward_keys, backward_queries
from sampleformer.kernels.maxout_tiles_triton import SCALE, channels_first
from sampleformer.kernels.maxout_triton import forward

# A thread a column. More rows save loads of columns, but each is a register or more.
COLUMNS, WARPS = 128, 4
MANY_ROWS, FEW_ROWS = 32, 16
WIDE = 64
# Programs that share the sums over the queries: twice as many as the largest GPUs run at a time. It must not depend on
# the GPU, or the order of the sums would.
PROGRAMS = 512
MEAN, DEVIATION = 1 / math.sqrt(math.pi), math.sqrt(1 - 1 / math.pi)


def launch_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    valid: Tensor | None,
    terms: tuple[Tensor, Tensor] | None,
    escape: Tensor,
    *,
    relu: bool,
) -> tuple[Tensor, Tensor]:
    """The result ``(b, h, n, c)``, and of each query what the backward pass needs of its weights, ``(b, h, n)``.

    Args:
        query, key, value: as of `functional.scored.scored_attention`.
        valid: ``(b, h, k)``.
        terms: w and u.
        escape: ``(b, h)`` float32, what the leaks add to a denominator, or the logarithm of that without relu.
        relu: whether weights are made by relu, or else by softmax.
    """
    batch, heads, length, _ = query.shape
    result = value.new_empty(batch, heads, length, value.shape[3])
    statistic = query.new_empty(batch, heads, length, dtype=torch.float32)
    if min(query.numel(), key.numel(), value.numel()) == 0:  # there is no pair
        return result.zero_(), statistic.fill_(1)
    pairs = _Pairs(query, key, value, valid, terms, relu)
    multiplicative, additive = pairs.terms
    forward[(pairs.blocks_of_queries * batch * heads,)](
        *(pairs.query, pairs.key, pairs.value, pairs.valid, multiplicative, additive),
        *(escape.contiguous(), result, statistic),
        *pairs.lengths,
        **pairs.constants,
    )
    return result, statistic


def launch_backward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    valid: Tensor | None,
    terms: tuple[Tensor, Tensor] | None,
    result: Tensor,
    statistic: Tensor,
    gradient: Tensor,
    *,
    relu: bool,
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor] | None, Tensor]:
    """Gradients of query, key, value and terms, and the inner product of each query's result and its gradient."""
    of_terms = None if terms is None else (_like(terms[0]), _like(terms[1]))
    if min(query.numel(), key.numel(), value.numel()) == 0:
        zeros = torch.zeros_like
        return zeros(query), zeros(key), zeros(value), of_terms, zeros(statistic)
    batch, heads, length, _ = query.shape
    keys, rows = key.shape[2], batch * heads
    pairs = _Pairs(query, key, value, valid, terms, relu)
    multiplicative, additive = pairs.terms
    gradient = gradient.contiguous()
    by_channel, value_by_channel = _channels_first(gradient), _channels_first(value)
    constants = pairs.constants | {"VALUES_TOGETHER": math.gcd(value.shape[3], 8)}
    inner = torch.empty_like(statistic)
    of_query = torch.empty_like(pairs.query)
    of_multiplicative, of_additive = (None, None) if of_terms is None else of_terms
    factor = pairs.factor / 2
    inputs = (pairs.query, pairs.key, value_by_channel, pairs.valid, multiplicative, additive)
    backward_queries[(pairs.blocks_of_queries * rows,)](
        *inputs,
        *(result, statistic, gradient, by_channel, of_query, of_multiplicative, of_additive, inner),
        *(*pairs.lengths, factor),
        **constants,
    )
    shares, share = _shares(length, pairs.blocks_of_keys * rows)
    of_key = pairs.key.new_empty(shares, *pairs.key.shape)
    of_value = pairs.key.new_empty(shares, batch, heads, keys, value.shape[3])
    backward_keys[(pairs.blocks_of_keys * rows, shares)](
        *inputs,
        *(statistic, gradient, by_channel, inner, of_key, of_value),
        *(*pairs.lengths, share, factor),
        **constants | {"ROWS": FEW_ROWS},
    )
    return (
        _tokens_first(of_query, query),
        _tokens_first(of_key.sum(0), key),
        of_value.sum(0).to(value.dtype),
        of_terms,
        inner,
    )


class _Pairs:
    """What the kernels read, as they read it."""

    def __init__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        valid: Tensor | None,
        terms: tuple[Tensor, Tensor] | None,
        relu: bool,
    ) -> None:
        channels, length, keys = query.shape[3], query.shape[2], key.shape[2]
        self.factor = 1 / (DEVIATION * math.sqrt(channels))
        self.query, self.key = (_channels_first(side, MEAN, self.factor * SCALE.value) for side in (query, key))
        self.value = value.contiguous()
        self.valid = None if valid is None else valid.contiguous().view(torch.uint8)
        self.terms = (None, None) if terms is None else (terms[0].contiguous(), terms[1].contiguous())
        self.lengths = (length, keys, self.query.shape[3], self.key.shape[3])
        self.blocks_of_queries, self.blocks_of_keys = (padded // COLUMNS for padded in self.lengths[2:])
        self.constants = {
            "E": channels,
            "TOGETHER": math.gcd(channels, 8),
            "C": value.shape[3],
            "WIDTH": _power_of_two(value.shape[3]),
            "RELU": relu,
            # Three products of tensor cores are as good as one in float32, and cheaper.
            "PRECISION": "ieee" if torch.version.hip else "tf32x3",
            "WIDEN": interpreting(),
            "ROWS": MANY_ROWS if terms is None and value.shape[3] <= WIDE else FEW_ROWS,
            "COLUMNS": COLUMNS,
            "num_warps": WARPS,
        }


def _channels_first(tokens: Tensor, mean: float = 0.0, factor: float = 1.0) -> Tensor:
    batch, heads, length, channels = tokens.shape
    tokens = tokens if tokens.stride(3) == 1 else tokens.contiguous()
    padded = triton.cdiv(length, COLUMNS) * COLUMNS
    result = tokens.new_empty(batch, heads, channels, padded, dtype=torch.float32)
    channels_first[(padded // MANY_ROWS * batch * heads,)](
        *(tokens, result, *tokens.stride()[:3], heads, length, padded, mean, factor),
        E=channels,
        WIDTH=_power_of_two(channels),
        BLOCK=MANY_ROWS,
    )
    return result


def _like(terms: Tensor) -> Tensor:
    return torch.empty_like(terms, memory_format=torch.contiguous_format)


def _tokens_first(result: Tensor, like: Tensor) -> Tensor:
    of_tokens = result[..., : like.shape[2]].transpose(2, 3)
    return like.new_empty(like.shape).copy_(of_tokens)


def _shares(length: int, programs: int) -> tuple[int, int]:
    """How many programs share the queries, and how many queries each has."""
    blocks = triton.cdiv(length, FEW_ROWS)
    share = triton.cdiv(blocks, max(1, min(blocks, PROGRAMS // programs))) * FEW_ROWS
    return triton.cdiv(length, share), share


def _power_of_two(width: int) -> int:
    return max(16, triton.next_power_of_2(width))
