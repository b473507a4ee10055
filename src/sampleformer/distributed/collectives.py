"""Exchanges between the ranks of a process group, with gradients.

The loss is the sum of what the ranks make of it, so the gradient of what a rank sent is the sum of the gradients of all
that received it. Every rank calls each of them, and its backward pass too, in the same order.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor


def all_reduce(group: "dist.ProcessGroup", values: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Sum over the ranks. Its gradient is the sum of the ranks' gradients.

    Args:
        group: Ranks that take part.
        values: Of the same shape on each rank.
    """
    result: Tensor = _AllReduce.apply(group, values)
    return result


def all_gather(
    group: "dist.ProcessGroup", rows: Shaped[Tensor, "n *rest"], lengths: Sequence[int]
) -> Shaped[Tensor, "total *rest"]:
    """Rows of all ranks, by rank. The gradient of a rank's rows is the sum of those of its copies.

    Args:
        group: Ranks that take part.
        rows: Rows of this rank.
        lengths: Number of rows of each rank.
    """
    result: Tensor = _AllGather.apply(group, rows, list(lengths))
    return result


def all_to_all(
    group: "dist.ProcessGroup", rows: Shaped[Tensor, "n *rest"], sent: Sequence[int], received: Sequence[int]
) -> Shaped[Tensor, "m *rest"]:
    """Rows that each rank sends to each other. Gradients go back the same way.

    Args:
        group: Ranks that take part.
        rows: Rows to send, to the first rank, then to the second, and so on.
        sent: Number of rows for each rank.
        received: Number of rows from each rank.
    """
    result: Tensor = _AllToAll.apply(group, rows, list(sent), list(received))
    return result


@torch.no_grad()
def all_reduce_max(group: "dist.ProcessGroup", values: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Largest of each number over the ranks, without a gradient."""
    largest = _own(values)
    dist.all_reduce(largest, dist.ReduceOp.MAX, group=group)
    return largest


@torch.no_grad()
def broadcast(group: "dist.ProcessGroup", values: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Values of the group's first rank, without a gradient."""
    first = _own(values)
    dist.broadcast(first, src=dist.get_global_rank(group, 0), group=group)
    return first


def _own(values: Tensor) -> Tensor:
    return values.detach().clone(memory_format=torch.contiguous_format)


class _AllReduce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, group: "dist.ProcessGroup", values: Tensor) -> Tensor:
        ctx.group = group
        total = _own(values)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, _AllReduce.apply(ctx.group, gradient)


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, group: "dist.ProcessGroup", rows: Tensor, lengths: list[int]) -> Tensor:
        ctx.group, ctx.lengths = group, lengths
        longest = max(lengths)
        # As many rows on each rank: backends gather no others.
        own = rows.detach().new_zeros(longest, *rows.shape[1:])
        own[: len(rows)] = rows.detach()
        found = [torch.empty_like(own) for _ in lengths]
        if own.numel():
            dist.all_gather(found, own, group=group)
        return torch.cat([each[:length] for each, length in zip(found, lengths, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        ranks, own = len(ctx.lengths), ctx.lengths[dist.get_rank(ctx.group)]
        copies = _AllToAll.apply(ctx.group, gradient, ctx.lengths, [own] * ranks)
        return None, copies.unflatten(0, (ranks, own)).sum(0), None


class _AllToAll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, group: "dist.ProcessGroup", rows: Tensor, sent: list[int], received: list[int]) -> Tensor:
        ctx.group, ctx.sent, ctx.received = group, sent, received
        found = rows.new_empty(sum(received), *rows.shape[1:])
        dist.all_to_all_single(found, rows.detach().contiguous(), received, sent, group=group)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None, None]:
        return None, _AllToAll.apply(ctx.group, gradient, ctx.received, ctx.sent), None, None
