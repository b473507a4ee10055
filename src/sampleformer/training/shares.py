"""Tensors of which each process holds a share, torch's DTensor: as a whole, and shared out again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map
from typing_extensions import TypeIs

from sampleformer.training.processes import Processes

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


def is_shared_out(tensor: Tensor) -> TypeIs[DTensor]:
    """Whether this process holds a share of a tensor."""
    if "torch.distributed.tensor" not in sys.modules:  # whose import takes a second: there are none then
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def own_share(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor, in the same memory; all of it if it is not shared out."""
    return tensor.to_local() if is_shared_out(tensor) else tensor


@torch.no_grad()
def whole(tensor: Tensor) -> Tensor:
    """All of a tensor; every process asks for it at the same time if it is shared out."""
    return tensor.full_tensor() if is_shared_out(tensor) else tensor


def shared_out(tensor: Tensor, like: Tensor) -> Tensor:
    """A tensor, the same in each process, shared out as another one of its shape is, if that is.

    Args:
        tensor: Tensor.
        like: Another tensor.
    """
    if not is_shared_out(like) or tensor.shape != like.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    # None: each process has all of it and keeps its share, nobody sends any.
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def gathered(values: Mapping[str, Any], processes: Processes) -> dict[str, Any]:
    """Nested values in which every tensor is whole and on the CPU; only the first process gets it, the others nothing.

    Args:
        values: Such as the state of a model or of an optimizer.
        processes: Processes that share the tensors out; each calls this with values of the same names.
    """

    def kept(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        found = whole(value.detach())  # one after the other, so that no process holds all of them
        return found.cpu() if processes.is_first else None

    everything: dict[str, Any] = tree_map(kept, dict(values))
    return everything if processes.is_first else {}


def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Gives a module weights, of which each process keeps its share if they are shared out.

    Args:
        module: Module.
        weights: Whole tensors by name.
    """
    own = module.state_dict()
    module.load_state_dict({name: shared_out(value, own.get(name, value)) for name, value in weights.items()})


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Gives an optimizer a state, of which each process keeps its share if the weights are shared out.

    Args:
        optimizer: Optimizer.
        state: State of whole tensors, as ``state_dict`` has it.
    """
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    of_parameters = {
        number: {
            name: shared_out(value, parameters[number]) if isinstance(value, Tensor) else value
            for name, value in values.items()
        }
        for number, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": of_parameters})
