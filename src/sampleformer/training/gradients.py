"""Gradients of a batch that processes share."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sampleformer.training.processes import Processes
from sampleformer.training.shares import own_share

_MARGIN = 1e-6  # as in torch's own clipping of gradients


class Gradients:
    """Gradients of the weights of a model, which each process holds whole.

    Args:
        model: Model that learns.
        processes: Processes that share the batches.
    """

    def __init__(self, model: nn.Module, processes: Processes) -> None:
        self._model = model
        self._processes = processes

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Parameters that learn."""
        return [each for each in self._model.parameters() if each.requires_grad]

    @torch.no_grad()
    def add_up(self, sums: Tensor) -> None:
        """Adds up the gradients of all processes; a parameter that no process has a gradient of is left without one.

        Args:
            sums: Further numbers to add up, in place.
        """
        if self._processes.size > 1:
            add_up_known(self._processes, self.parameters, sums)

    @torch.no_grad()
    def clip(self, most: float | None) -> None:
        """Makes the gradients shorter.

        Args:
            most: Largest norm of all of them together. None: any.
        """
        gradients = [own_share(each) for each in self.known]
        if most is not None and gradients:
            torch._foreach_mul_(gradients, (most / (self.norm() + _MARGIN)).clamp(max=1.0))

    def norm(self) -> Tensor:
        """Norm of all gradients together."""
        return torch.nn.utils.get_total_norm(self.known)

    @property
    def known(self) -> list[Tensor]:
        """Gradients of parameters that have one."""
        return [each.grad for each in self.parameters if each.grad is not None]


def add_up_known(processes: Processes, parameters: Sequence[Tensor], sums: Tensor) -> None:
    """Makes the gradient of each parameter the sum of the gradients that processes have, or None where none has one.

    Args:
        processes: Processes that have the gradients.
        parameters: Parameters.
        sums: Further numbers to add up, in place, with the same message.
    """
    known = sums.new_tensor([float(each.grad is not None) for each in parameters])
    gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
    processes.add_up([*gradients, known, sums])
    for parameter, gradient, count in zip(parameters, gradients, known.tolist(), strict=True):
        parameter.grad = gradient if count else None
