"""Weights of a model of which each process holds a share: torch's FSDP2."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

from sampleformer.errors import InputError
from sampleformer.models import Model
from sampleformer.training.gradients import Gradients
from sampleformer.training.processes import Processes
from sampleformer.training.shares import is_shared_out, own_share

_METHODS = ("together", "with_penalty", "with_selections")
"""Ways through a model or a layer beside ``forward``."""


def shard_weights(model: Model, processes: Processes, device: torch.device) -> None:
    """Leaves in each process a share of the weights of a model: consecutive rows of each tensor.

    The weights of each of `Model.sharded_layers`, and all others together, are gathered when it is called and when its
    gradient is computed, and dropped afterwards. Gradients are the sums over the processes. All processes go through
    the model equally often. Scalars stay whole everywhere.

    Args:
        model: Model with its weights, the same in each process, on any device.
        processes: Processes that share the weights.
        device: Device of this process, to which the shares are moved, layer by layer.

    Raises:
        InputError: if this torch cannot do it.
    """
    if not hasattr(FSDPModule, "set_reduce_scatter_unused_params"):
        raise InputError(f"training.strategy: 'fsdp' needs a newer torch than {torch.__version__}, expected 'ddp'")
    mesh = init_device_mesh(device.type, (processes.size,), mesh_dim_names=("weights",))
    scalars = {each for each in model.parameters() if each.ndim == 0}
    for part in [*model.sharded_layers, model]:
        ways = [name for name in _METHODS if hasattr(part, name) and _is_own(part, name)]
        sharded = fully_shard(part, mesh=mesh, ignored_params=scalars)
        # Losses are divided by the weight of the whole batch already.
        sharded.set_gradient_divide_factor(1.0)
        sharded.set_force_sum_reduction_for_comms(True)
        # Which parameters are used may depend on the samples.
        sharded.set_reduce_scatter_unused_params(True, recurse=False)
        for name in ways:
            register_fsdp_forward_method(part, name)
    model.to(device)


def _is_own(part: nn.Module, name: str) -> bool:
    """Whether a method goes through the parts of a model by itself, not by those of its base class."""
    return getattr(type(part), name) is not getattr(Model, name)


class ShardedGradients(Gradients):
    """Gradients of weights of which each process holds a share.

    Args:
        model: Model whose weights `shard_weights` has shared out.
        processes: Processes that share weights and batches.
    """

    def __init__(self, model: Model, processes: Processes) -> None:
        super().__init__(model, processes)
        self._reached: set[str] = set()
        for part in [*model.sharded_layers, model]:
            assert isinstance(part, FSDPModule)
            before = {id(each) for each in part.parameters()}
            part.unshard()
            for name, parameter in model.named_parameters():
                if id(parameter) not in before and parameter.requires_grad and not is_shared_out(parameter):
                    parameter.register_post_accumulate_grad_hook(partial(self._reach, name))
            part.reshard()

    def _reach(self, name: str, parameter: Tensor) -> None:
        self._reached.add(name)

    def add_up(self, sums: Tensor) -> None:
        super().add_up(sums)
        self._reached.clear()

    def _is_known(self, name: str, parameter: Tensor) -> bool:
        if is_shared_out(parameter):  # it has zeros where another parameter of its layer has a gradient
            return name in self._reached
        return super()._is_known(name, parameter)

    @torch.no_grad()
    def norm(self) -> Tensor:
        of_shares = [own_share(each) for each in self.known if is_shared_out(each)]
        of_all = [each for each in self.known if not is_shared_out(each)]
        squares = torch.nn.utils.get_total_norm(of_shares).square()
        self._processes.add_up([squares])
        return (squares + torch.nn.utils.get_total_norm(of_all).square()).sqrt()
