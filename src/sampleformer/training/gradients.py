"""Gradients of a batch that processes share."""

import torch
from torch import Tensor, nn

from sampleformer.training.processes import Processes
from sampleformer.training.shares import is_shared_out, own_share

_MARGIN = 1e-6  # as in torch's own clipping of gradients


class Gradients:
    """Gradients of the weights of a model, which each process holds whole.

    Args:
        model: Model that learns.
        processes: Processes that share the batches.
    """

    def __init__(self, model: nn.Module, processes: Processes) -> None:
        self._model = model
        self._parameters = list(model.parameters())  # to look for them takes longer than to clip them
        self._processes = processes

    @torch.no_grad()
    def add_up(self, sums: Tensor) -> None:
        """Adds up the gradients of all processes; a parameter that no process has a gradient of is left without one.

        Args:
            sums: Further numbers to add up, in place, with the same message.
        """
        if self._processes.size == 1:
            return
        learning = {name: each for name, each in self._model.named_parameters() if each.requires_grad}
        known = sums.new_tensor([float(self._is_known(name, each)) for name, each in learning.items()])
        parted = [each for each in learning.values() if not is_shared_out(each)]  # those of shares are sums already
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parted]
        self._processes.add_up([*gradients, known, sums])
        for parameter, gradient in zip(parted, gradients, strict=True):
            parameter.grad = gradient
        for parameter, count in zip(learning.values(), known.tolist(), strict=True):
            if not count:
                parameter.grad = None

    def _is_known(self, name: str, parameter: Tensor) -> bool:
        """Whether this process has a gradient of a parameter."""
        return parameter.grad is not None

    @torch.no_grad()
    def clip(self, most: float | None) -> None:
        """Makes the gradients shorter.

        Args:
            most: Largest norm of all of them together. None: any.
        """
        gradients = [own_share(each) for each in self.known]
        if most is not None and gradients:
            torch._foreach_mul_(gradients, (most / (self.norm() + _MARGIN)).clamp(max=1.0))

    @torch.no_grad()
    def spread_overflow(self) -> None:
        """Makes all gradients NaN where one is not finite, so that each process sees it in its share."""
        gradients = [own_share(each) for each in self.known]
        if gradients:
            norm = self.norm()
            torch._foreach_mul_(gradients, torch.where(norm.isfinite(), 1.0, torch.nan).to(norm.dtype))

    def norm(self) -> Tensor:
        """Norm of all gradients together."""
        return torch.nn.utils.get_total_norm(self.known)

    @property
    def known(self) -> list[Tensor]:
        """Gradients of parameters that have one."""
        return [each.grad for each in self._parameters if each.grad is not None]
