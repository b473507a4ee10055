"""Sums over the processes that share a batch."""

from contextlib import ExitStack
from contextvars import ContextVar

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from sampleformer.distributed.collectives import all_reduce

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
    return all_reduce(group, values)
