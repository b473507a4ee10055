"""What torch's tracers and transforms are doing."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map


def is_exporting() -> bool:
    """Whether the code is being traced by `torch.export`.

    torch 2.6 does not tell; there it is tracing without Dynamo, which is how `torch.export` traces by default.
    """
    known = getattr(torch.compiler, "is_exporting", None)
    if known is not None:
        return bool(known())
    return torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()


def without_autocast(tensor: Tensor) -> AbstractContextManager[Any]:
    """A block in which autocast changes no precision of what is made of the tensor.

    Example:
        >>> with torch.autocast("cpu"), without_autocast(torch.zeros(1)):
        ...     print((torch.zeros(2, 2) @ torch.zeros(2, 2)).dtype)
        torch.float32
    """
    # Meta tensors know of no autocast.
    return nullcontext() if tensor.is_meta else torch.autocast(tensor.device.type, enabled=False)


def is_readable(tensor: Tensor) -> bool:
    """Whether Python may look at what a tensor holds at no price: no device to wait for, no trace to cut.

    Example:
        >>> is_readable(torch.zeros(3)), is_readable(torch.zeros(3, device="meta"))
        (True, False)
    """
    return tensor.device.type == "cpu" and not torch.jit.is_tracing() and has_values(tensor)


def has_values(tensor: Tensor) -> bool:
    """Whether Python may look at the numbers of a tensor, and write into memory of its own beside them.

    Not while compiling, under the transforms of `torch.func`, nor of fake and meta tensors.

    Example:
        >>> has_values(torch.zeros(2)), has_values(torch.zeros(2, device="meta"))
        (True, False)
        >>> torch.func.vmap(lambda row: row + has_values(row))(torch.zeros(2, 1)).flatten()
        tensor([0., 0.])
    """
    if torch.compiler.is_compiling() or tensor.is_meta or type(tensor) not in (Tensor, nn.Parameter):
        return False
    return not is_transformed(tensor)


def is_transformed(*tensors: Tensor) -> bool:
    """Whether a transform of `torch.func` is at work on one of the tensors; a compiled program has none to ask.

    Example:
        >>> is_transformed(torch.zeros(2))
        False
    """
    if torch.compiler.is_compiling():
        return False
    return any(torch._C._functorch.is_functorch_wrapped_tensor(tensor) for tensor in tensors)


def differentiates_again() -> bool:
    """Whether the backward pass that is running keeps a graph of what it does, for a second derivative.

    A compiled program has none.
    """
    return torch.is_grad_enabled() and not torch.compiler.is_compiling()


def folded(operator: Callable[..., Any]) -> Callable[..., Any]:
    """The batching rule of an operator all of whose tensors begin with the same dimension, of samples or rows.

    Samples of all batches are treated as those of one: `torch.library.register_vmap` takes what this gives.

    Args:
        operator: takes tensors, None and numbers, and gives a tensor or a tuple of tensors.
    """

    def rule(info: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[Any, Any]:
        batches = info.batch_size

        def fold(argument: Any, dim: int | None) -> Any:
            if not isinstance(argument, Tensor):
                return argument
            first = argument.expand(batches, *argument.shape) if dim is None else argument.movedim(dim, 0)
            return first.flatten(0, 1)

        results = operator(*(fold(argument, dim) for argument, dim in zip(given, in_dims, strict=True)))
        apart = tree_map(lambda result: result.unflatten(0, (batches, result.shape[0] // max(1, batches))), results)
        return apart, tree_map(lambda _: 0, results)

    return rule
