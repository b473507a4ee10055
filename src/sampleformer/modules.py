"""What all modules have in common: parameters that start anew, values beside them, and parts that may be replaced."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)

_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


class Module(nn.Module):
    """Base of the package's modules.

    A model may be built on the meta device, where it takes no memory, and be given memory by `to_empty`. Its parameters
    and buffers hold garbage then, until they are loaded or `reset_parameters` starts them. Tensors that are neither are
    values: they are made by `register_value`, move with the module, are in no checkpoint and never lose what they hold.
    """

    _values: tuple[str, ...] = ()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Starts all parameters and buffers anew, as the constructor does: those of the parts, then the module's."""
        for child in self.children():
            reset_parameters(child)
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        """Starts the parameters and buffers that are no part's. A subclass that has some writes it."""

    def register_value(self, name: str, value: float | Sequence[int]) -> None:
        """Makes an attribute that is a tensor.

        Args:
            name: Name of the attribute.
            value: What the tensor holds.
        """
        device = torch.empty(0).device
        setattr(self, name, torch.tensor(value, device="cpu" if device.type == "meta" else device))
        self._values = (*self._values, name)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Module":
        super()._apply(fn, recurse)
        for name in self._values:
            value: Tensor = getattr(self, name)
            device = fn(value).device  # what else it does, such as leaving memory empty, is meant for parameters
            if device.type != "meta":
                setattr(self, name, value.to(device))
        return self


def reset_parameters(module: nn.Module) -> None:
    """Starts all parameters of a module anew, whether it says how itself or its parts do."""
    own = getattr(module, "reset_parameters", None)
    if own is not None:
        own()
        return
    for child in module.children():
        reset_parameters(child)


def start_with(layer: nn.Module, start: Callable[[Any], None]) -> None:
    """Gives a layer of torch another start than torch's, now and whenever its parameters are reset.

    The layer keeps its class: adapters and quantisation look for it.

    Args:
        layer: Layer with a ``reset_parameters``, which comes before the start.
        start: Function that changes the layer's parameters in place. It must be picklable.
    """
    start(layer)
    layer.reset_parameters = _Start(layer, start)  # type: ignore[assignment]


class _Start:
    """``reset_parameters`` of one layer, which it does not keep alive."""

    def __init__(self, layer: nn.Module, start: Callable[[Any], None]) -> None:
        self._layer = weakref.ref(layer)
        self._start = start

    def __call__(self) -> None:
        layer = self._layer()
        assert layer is not None
        type(layer).reset_parameters(layer)  # type: ignore[attr-defined]
        self._start(layer)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Start, (self._layer(), self._start)


def is_plain(module: nn.Module, kind: type[M]) -> TypeGuard[M]:
    """Whether a call of a module does what its class does with its parameters and nothing else.

    Only then may its parameters be used without the call. A wrapper, an adapter, a quantised layer is of another class;
    pruning, hooks, offloading and sharding leave hooks, another ``forward`` or tensors made of others. Hooks of all
    modules at once, with which torch counts operations, do not matter: they see the calls that are made.

    Args:
        module: Part of a model, which its user may have changed.
        kind: Class that it had when it was built.

    Example:
        >>> layer = nn.Linear(2, 3)
        >>> is_plain(layer, nn.Linear)
        True
        >>> hook = layer.register_forward_hook(print)
        >>> is_plain(layer, nn.Linear)
        False
    """
    return (
        type(module) is kind
        and "forward" not in module.__dict__
        and not any(getattr(module, hooks) for hooks in _HOOKS)
        and not any(hasattr(parameter, "__tensor_flatten__") for parameter in module._parameters.values())
    )


def linear_in_precision_of(features: Tensor, layer: nn.Module) -> Tensor:
    """A linear layer's result in the precision of the features, which may be wider than that of its weights.

    What its user has put in the place of the layer works in its own precision.

    Args:
        features: Input of the layer, in float32 or float64.
        layer: Linear layer, or what stands for it.
    """
    if is_plain(layer, nn.Linear):
        bias = None if layer.bias is None else layer.bias.to(features.dtype)
        return F.linear(features, layer.weight.to(features.dtype), bias)
    floating = (parameter.dtype for parameter in layer.parameters() if parameter.is_floating_point())
    result: Tensor = layer(features.to(next(floating, torch.float32)))
    return result.to(features.dtype)
