"""Running statistics of batch norms that see one chunk of a batch at a time, where processes share the chunks."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sampleformer.data.batch import Chunk
from sampleformer.errors import InputError
from sampleformer.norms import BatchNorm
from sampleformer.training.processes import Processes


class RunningStatistics:
    """Makes the running statistics after a step those of one process, which would meet all chunks in their order.

    With the share m of a chunk in them, ``r ← (1 - m) r + m s`` for each of C chunks gives ``(1 - m)^C r + Σ_c (1 -
    m)^(C - 1 - c) m s_c``: each process adds the terms of its chunks.

    Args:
        model: Model that learns.
        processes: Processes that share the chunks.
        updates: Number of passes of each chunk through the model.
        together: Whether batch norms see all chunks and are alike in all processes anyway.
    """

    def __init__(self, model: nn.Module, processes: Processes, updates: int, *, together: bool) -> None:
        shared = processes.size > 1 and not together
        self._norms: list[Any] = [each for each in model.modules() if shared and _is_running(each)]
        self._processes = processes
        self._updates = updates
        if any(norm.momentum is None for norm in self._norms):
            raise InputError("training.devices: the model has a batch norm without momentum, which is for one process")

    def start(self) -> None:
        """Begins a step."""
        self._first, self._before = self._read(), self._read()
        self._sums = [torch.zeros_like(each) for each in self._first]
        self._own = 0

    @torch.no_grad()
    def add(self, chunk: Chunk | None) -> None:
        """Takes what a chunk added to the statistics."""
        if not self._norms or chunk is None:
            return
        if not chunk.counts:  # norms that see it alone follow it all the same
            for place, before in zip(self._places(), self._before, strict=True):
                place.copy_(before)
            self._count(-self._updates)
            return
        after = self._read()
        for total, old, new, keep in zip(self._sums, self._before, after, self._kept(), strict=True):
            total += (new - keep * old) * keep ** (chunk.of - 1 - chunk.number)
        self._before = after
        self._own += 1

    @torch.no_grad()
    def finish(self) -> None:
        """Sets the statistics of all chunks."""
        if not self._norms:
            return
        count = self._sums[0].new_tensor(self._own)
        self._processes.add_up([*self._sums, count])
        shards = self._processes.shards  # all of them have the same chunks
        chunks = int(count) // shards
        for place, old, added, keep in zip(self._places(), self._first, self._sums, self._kept(), strict=True):
            place.copy_(old * keep**chunks + added / shards)
        self._count(self._updates * (chunks - self._own))

    def _count(self, batches: int) -> None:
        """Adds to the number of batches that norms have seen."""
        for norm in self._norms:
            if getattr(norm, "num_batches_tracked", None) is not None:
                norm.num_batches_tracked += batches

    def _places(self) -> list[Tensor]:
        return [each for norm in self._norms for each in (norm.running_mean, norm.running_var)]

    def _read(self) -> list[Tensor]:
        return [each.clone() for each in self._places()]

    def _kept(self) -> Sequence[float]:
        return [(1 - norm.momentum) ** self._updates for norm in self._norms for _ in range(2)]


def _is_running(module: nn.Module) -> bool:
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return bool(module.track_running_stats)
    return isinstance(module, BatchNorm)
