"""The processes of one training: which one this is, and what they tell each other."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from sampleformer.errors import InputError
from sampleformer.training.settings import TrainingSettings

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The processes that share the batch of each step.

    Args:
        rank: Number of this process, counted from 0. The first one writes all files.
        size: Number of processes.
        local_rank: Number of this process on its host.
        hosts: Number of hosts, each of which has as many processes.
        group: Process group of torch. None: there is one process.
        strategy: What each process holds of the model, see `TrainingSettings`.
        tokens: Consecutive processes, this one among them, that share the tokens of the same samples. None: each
            process has samples of its own.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    hosts: int = 1
    group: dist.ProcessGroup | None = None
    strategy: str = "ddp"
    tokens: dist.ProcessGroup | None = None

    @property
    def shards(self) -> int:
        """Number of processes that have the same samples."""
        return 1 if self.tokens is None else self.tokens.size()

    @property
    def shares(self) -> int:
        """Number of shares of a batch."""
        return self.size // self.shards

    @property
    def share(self) -> int:
        """Number of this process's share, counted from 0."""
        return self.rank // self.shards

    @property
    def in_step(self) -> bool:
        """Whether all must go through the model equally often, since its weights are put together each time."""
        return self.strategy == "fsdp"

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files of the run."""
        return self.rank == 0

    def agreed(self, value: T) -> T:
        """The first process's value."""
        if self.group is None:
            return value
        values: list[Any] = [value if self.is_first else None]
        dist.broadcast_object_list(values, src=dist.get_global_rank(self.group, 0), group=self.group)
        return values[0]

    def gathered(self, value: T) -> list[T]:
        """The values of all processes, by rank."""
        if self.group is None:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self.group)
        return values

    @torch.no_grad()
    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Makes each tensor the sum over all processes, which have tensors of the same shapes, dtypes and devices."""
        if self.group is None:
            return
        kinds: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
        for tensor in tensors:
            kinds.setdefault((tensor.device, tensor.dtype), []).append(tensor)
        for several in kinds.values():  # as one message: each has its own cost
            whole = torch.cat([each.reshape(-1) for each in several])
            dist.all_reduce(whole, group=self.group)
            for each, part in zip(several, whole.split([each.numel() for each in several]), strict=True):
                each.copy_(part.view_as(each))

    @contextmanager
    def first_on_each_host(self) -> Iterator[None]:
        """Context that the first process of a host goes through before the others do: it may fill a cache."""
        if self.group is not None and self.local_rank > 0:
            self.gathered(None)
        yield
        if self.group is not None and self.local_rank == 0:
            self.gathered(None)

    def check_alike(self, facts: Mapping[str, Any]) -> None:
        """Raises InputError in all processes if they know different things.

        Args:
            facts: What must be the same in all, as JSON, under the words that messages have for it.
        """
        digests = {
            name: hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
            for name, value in facts.items()
        }
        found = self.gathered(digests)
        for rank, other in enumerate(found):
            for name, digest in other.items():
                if digest != found[0][name]:
                    raise InputError(
                        f"rank {rank} of {self.size} has another {name} than rank 0, expected the same in every process"
                    )


ALONE = Processes()


def is_launched() -> bool:
    """Whether torchrun or SLURM has started this process as one of several."""
    return dist.is_available() and (dist.is_torchelastic_launched() or _of_slurm())


def join(settings: TrainingSettings, device: str) -> Processes:
    """The processes of a training, of which a launcher has started this one; it meets the others here.

    Args:
        settings: Settings of the training.
        device: ``cpu``, ``cuda`` or ``mps``.

    Raises:
        InputError: if other processes were started than the settings ask for, or the device is not for several.
    """
    if not is_launched():
        asked = (settings.devices or 1) * (settings.hosts or 1)
        if asked > 1:
            raise InputError(
                f"training.devices: {asked} processes were asked for, but this is the only one; use the command line, "
                f"or start the script with torchrun --nproc-per-node {asked} SCRIPT"
            )
        _check_strategy(settings, 1)
        return ALONE
    rank, size, local_rank, local_size = _place()
    _check_size(settings, size, local_size)
    _check_strategy(settings, size)
    if size == 1:
        return ALONE
    if device == "mps":
        raise InputError("--device: 'mps' is for one process, expected cpu or cuda where there are several")
    if device == "cuda":
        if local_rank >= torch.cuda.device_count():
            raise InputError(
                f"training.devices: {local_size} processes on a host with {torch.cuda.device_count()} GPUs, expected "
                "one GPU for each"
            )
        torch.cuda.set_device(local_rank)
    if not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
        timeout = timedelta(minutes=settings.timeout_minutes)
        # Torchrun may keep its store when it starts the processes again, with the addresses of those before.
        store, *_ = next(dist.rendezvous("env://", rank, size, timeout=timeout))
        store = dist.PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)
        dist.init_process_group(backend, rank=rank, world_size=size, timeout=timeout, store=store)
        atexit.register(_leave)
    tokens = None if settings.strategy != "tokens" else _sharing_tokens(settings.token_shards or size, size, device)
    return Processes(rank, size, local_rank, size // local_size, dist.group.WORLD, settings.strategy, tokens)


def _leave() -> None:
    """Leaves the group, and gives its threads time to let go of the last tensors, see `distributed.ending`."""
    if dist.is_initialized():
        dist.destroy_process_group()
        time.sleep(0.2)


def _sharing_tokens(shards: int, size: int, device: str) -> dist.ProcessGroup:
    """The processes that share tokens with this one: those of a row of a mesh."""
    from torch.distributed.device_mesh import init_device_mesh

    mesh = init_device_mesh(device, (size // shards, shards), mesh_dim_names=("batch", "tokens"))
    return mesh["tokens"].get_group()


def check_samples(settings: TrainingSettings, processes: Processes, samples: int) -> TrainingSettings:
    """The settings with the number of parts of a batch.

    Args:
        settings: Settings of the training.
        processes: Processes that share the batches.
        samples: Samples of the training part.

    Raises:
        InputError: if there are more processes than a batch has samples or parts.
    """
    of_step = min(samples, settings.accumulate * settings.batch_size)
    if processes.shares > of_step:
        name = "training.batch_size" if of_step < samples else "training part"
        raise InputError(
            f"training.devices: {processes.size} processes, but a step has {of_step} samples ({name}); expected at "
            f"most {of_step * processes.shards} processes"
        )
    parts = settings.parts or processes.shares
    if processes.shares > parts:
        raise InputError(
            f"training.devices: {processes.size} processes, but the batch of a step has {parts} parts "
            f"(training.parts); expected at most {parts * processes.shards} processes"
        )
    return settings.model_copy(update={"parts": parts})


def _place() -> tuple[int, int, int, int]:
    """Rank, number of processes, rank on this host and number of processes on it."""
    if dist.is_torchelastic_launched():
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        rank, size, local_rank, local_size = (int(os.environ[name]) for name in names)
        return rank, size, local_rank, local_size
    from lightning.fabric.plugins.environments import SLURMEnvironment

    slurm = SLURMEnvironment(auto_requeue=False)
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = slurm.main_address, str(slurm.main_port)
    size, hosts = slurm.world_size(), int(os.environ.get("SLURM_NNODES", 1))
    return slurm.global_rank(), size, slurm.local_rank(), -(-size // hosts)


def _of_slurm() -> bool:
    if int(os.environ.get("SLURM_NTASKS", "1") or 1) == 1:
        return False
    from lightning.fabric.plugins.environments import SLURMEnvironment

    return SLURMEnvironment.detect()


def _check_size(settings: TrainingSettings, size: int, local_size: int) -> None:
    if size % local_size:
        raise InputError(
            f"training.hosts: {size} processes were started, {local_size} of them here; expected as many on each host"
        )
    found = {"devices": local_size, "hosts": size // local_size}
    for name, count in found.items():
        asked = getattr(settings, name)
        if asked is not None and asked != count:
            raise InputError(f"training.{name}: {asked} was asked for, but the launcher started {count}; leave it out")


def _check_strategy(settings: TrainingSettings, size: int) -> None:
    if settings.strategy != "ddp" and size == 1:
        raise InputError(
            f"training.strategy: {settings.strategy!r} is for several processes, but there is one; expected 'ddp', or "
            "--devices 2 or more"
        )
    if settings.strategy != "ddp" and settings.compile:
        raise InputError(
            f"training.compile: True is for training.strategy 'ddp', found {settings.strategy!r}, in which processes "
            "talk within the model; expected False"
        )
    shards = settings.token_shards
    if shards is not None and settings.strategy != "tokens":
        raise InputError(
            f"training.token_shards: {shards} needs the strategy 'tokens', but training.strategy is "
            f"{settings.strategy!r}"
        )
    if shards is not None and size % shards:
        raise InputError(
            f"training.token_shards: {shards}, expected a number that divides {size}, that of the processes"
        )
