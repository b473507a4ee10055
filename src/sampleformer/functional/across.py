"""Sums over the processes that share a batch."""

from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

_GROUP: ContextVar["dist.ProcessGroup | None"] = ContextVar("group", default=None)
_COUNTS: ContextVar[bool] = ContextVar("counts", default=True)


def sharing(group: "dist.ProcessGroup | None") -> ExitStack:
    """Context in which the samples at hand are a share of a batch, the rest of which other processes have.

    It begins at once.

    Args:
        group: Processes that share the batch; all of them enter it. None: this process has the whole batch.
    """
    held = ExitStack()
    held.callback(_GROUP.reset, _GROUP.set(group))
    return held


def counting(counts: bool) -> ExitStack:
    """Context in which the samples at hand count in statistics over the batch, or only keep their process in step.

    It begins at once.

    Args:
        counts: Whether they count.
    """
    held = ExitStack()
    held.callback(_COUNTS.reset, _COUNTS.set(counts))
    return held


def is_shared() -> bool:
    """Whether other processes have samples of the same batch."""
    return not torch.compiler.is_compiling() and _GROUP.get() is not None


def is_counted() -> bool:
    """Whether the samples at hand count in statistics over the batch."""
    return torch.compiler.is_compiling() or _COUNTS.get()


def summed_over_processes(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The sum of a tensor over the processes that share the batch; the tensor itself where one has all of it.

    Its gradient is the sum of the processes' gradients: each one's loss depends on the sum.

    Args:
        values: Of the same shape in each process.

    Example:
        >>> summed_over_processes(torch.ones(2))
        tensor([1., 1.])
    """
    if torch.compiler.is_compiling():  # a compiled model looks at one chunk at a time
        return values
    group = _GROUP.get()
    if group is None:
        return values
    result: Tensor = _Sum.apply(group, values)
    return result


class _Sum(torch.autograd.Function):
    """A sum over processes whose gradient is one, too."""

    @staticmethod
    def forward(ctx: Any, group: "dist.ProcessGroup", values: Tensor) -> Tensor:
        ctx.group = group
        total = values.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        total = gradient.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=ctx.group)
        return None, total
