"""Where kernels start."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

_Rest = ParamSpec("_Rest")
_Result = TypeVar("_Result")


def on_its_device(
    function: Callable[Concatenate[Tensor, _Rest], _Result],
) -> Callable[Concatenate[Tensor, _Rest], _Result]:
    """The function, with the device of its first tensor as the current one: that is where Triton starts kernels.

    Example:
        >>> @on_its_device
        ... def shape_of(tensor):
        ...     return tuple(tensor.shape)
        >>> shape_of(torch.zeros(2))
        (2,)
    """

    @functools.wraps(function)
    def started(first: Tensor, /, *rest: _Rest.args, **named: _Rest.kwargs) -> _Result:
        with torch.cuda.device_of(first):  # nothing, for a tensor of the CPU
            return function(first, *rest, **named)

    return started
