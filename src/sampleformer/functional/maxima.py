"""Sums of maxima over channels on CPUs, without a tensor of every pair and channel."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from sampleformer.tracing import folded

# What is made at once stays in the second-level cache (1 MiB of float32).
NUMBERS_PER_BLOCK = 2**18


def sum_of_maxima(query: Tensor, key: Tensor) -> Tensor:
    """``Σ_c max(q_ic, k_jc)`` of every pair: (r, n, e) and (r, k, e) to (r, n, k).

    A block of queries meets all keys in a tensor (r, e, block, k), which is summed over its channels: additions of
    whole vectors, where a distance function reduces inside each vector. That takes less than half of the time of
    `torch.cdist`. The gradient is that of the maximum; where ``q_c = k_c``, half of it goes to each. Second derivatives
    are zero, but the gradient has one for what comes back to it.

    Args:
        query: one vector a row and query.
        key: one vector a row and key.

    Example:
        >>> sum_of_maxima(torch.tensor([[[1.0, 5.0]]]), torch.tensor([[[2.0, 3.0]]]))
        tensor([[[7.]]])
    """
    result: Tensor = _Maxima.apply(query, key)
    return result


@torch.library.custom_op("sampleformer::sum_of_maxima", mutates_args=())
def _sum_of_maxima(query: Tensor, key: Tensor) -> Tensor:
    query, key = query.detach().transpose(1, 2).contiguous(), key.detach().transpose(1, 2).contiguous()
    result = query.new_zeros(query.shape[0], query.shape[2], key.shape[2])
    for rows, queries, block in _blocks(query, key):
        torch.maximum(query[rows, :, queries, None], key[rows, :, None], out=block)
        torch.sum(block, 1, out=result[rows, queries])
    return result


@_sum_of_maxima.register_fake
def _(query: Tensor, key: Tensor) -> Tensor:
    return query.new_empty(query.shape[0], query.shape[1], key.shape[1])


@torch.library.custom_op("sampleformer::sum_of_maxima_backward", mutates_args=())
def _sum_of_maxima_backward(query: Tensor, key: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    # The derivative of a maximum is (1 ± sign(q - k)) / 2.
    query, key = query.transpose(1, 2).contiguous(), key.transpose(1, 2).contiguous()
    of_query, of_key = torch.zeros_like(query), torch.zeros_like(key)
    for rows, queries, block in _blocks(query, key):
        signs = torch.sub(query[rows, :, queries, None], key[rows, :, None], out=block).sign_()
        signs.mul_(gradient[rows, None, queries])
        torch.sum(signs, 3, out=of_query[rows, :, queries])
        of_key[rows] -= signs.sum(2)
    of_query.add_(gradient.sum(2)[:, None])
    of_key.add_(gradient.sum(1)[:, None])
    return of_query.mul_(0.5).transpose(1, 2).contiguous(), of_key.mul_(0.5).transpose(1, 2).contiguous()


@_sum_of_maxima_backward.register_fake
def _(query: Tensor, key: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    return query.new_empty(query.shape), key.new_empty(key.shape)


@torch.library.custom_op("sampleformer::sum_of_chosen", mutates_args=())
def _sum_of_chosen(query: Tensor, key: Tensor, of_query: Tensor, of_key: Tensor) -> Tensor:
    """``Σ_c a_ic`` where ``q_ic > k_jc`` and ``b_jc`` elsewhere, half of each where they are equal: (r, n, k)."""
    given = (query, key, of_query, of_key)
    query, key, of_query, of_key = (tensor.transpose(1, 2).contiguous() for tensor in given)
    result = query.new_zeros(query.shape[0], query.shape[2], key.shape[2])
    for rows, queries, block in _blocks(query, key):
        signs = torch.sub(query[rows, :, queries, None], key[rows, :, None], out=block).sign_()
        signs.mul_(of_query[rows, :, queries, None] - of_key[rows, :, None])
        torch.sum(signs, 1, out=result[rows, queries])
    return result.add_(of_query.sum(1)[:, :, None]).add_(of_key.sum(1)[:, None]).mul_(0.5)


@_sum_of_chosen.register_fake
def _(query: Tensor, key: Tensor, of_query: Tensor, of_key: Tensor) -> Tensor:
    return query.new_empty(query.shape[0], query.shape[1], key.shape[1])


def _blocks(query: Tensor, key: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Which rows and queries to work on together, and room for what they make with all keys."""
    rows, channels, length = query.shape
    keys = key.shape[2]
    if min(rows, channels, length, keys) == 0:
        return
    together = max(1, NUMBERS_PER_BLOCK // (channels * keys))
    rows_together = min(rows, max(1, together // 4))
    queries_together = min(length, max(1, together // rows_together))
    # The same room each time: fresh memory costs as much as the work.
    room = query.new_empty(rows_together * channels * queries_together * keys)
    for row in range(0, rows, rows_together):
        for first in range(0, length, queries_together):
            shape = (min(rows_together, rows - row), channels, min(queries_together, length - first), keys)
            block = room[: math.prod(shape)].view(shape)
            yield slice(row, row + rows_together), slice(first, first + queries_together), block


for _operator in (_sum_of_maxima, _sum_of_maxima_backward, _sum_of_chosen):
    _operator.register_vmap(folded(_operator))


class _Maxima(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(query: Tensor, key: Tensor) -> Tensor:
        return torch.ops.sampleformer.sum_of_maxima(query, key)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return _MaximaBackward.apply(*ctx.saved_tensors, gradient)


class _MaximaBackward(torch.autograd.Function):
    """Linear in what comes back, which is all that it has a gradient for: the next derivative of a maximum is zero."""

    generate_vmap_rule = True

    @staticmethod
    def forward(query: Tensor, key: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ops.sampleformer.sum_of_maxima_backward(query, key, gradient)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, of_query: Tensor, of_key: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, _Chosen.apply(*ctx.saved_tensors, of_query, of_key)


class _Chosen(torch.autograd.Function):
    """The transpose of `_MaximaBackward`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(query: Tensor, key: Tensor, of_query: Tensor, of_key: Tensor) -> Tensor:
        return torch.ops.sampleformer.sum_of_chosen(query, key, of_query, of_key)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *_MaximaBackward.apply(*ctx.saved_tensors, gradient)
