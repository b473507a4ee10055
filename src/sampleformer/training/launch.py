"""Several processes on this host, each of which runs the command line anew, by torch's launcher."""

import logging
import os
import sys
import uuid
from collections.abc import Sequence

from sampleformer.errors import InputError
from sampleformer.training.processes import is_launched
from sampleformer.training.provenance import usable_cores
from sampleformer.training.settings import TrainingSettings

_SAID = {1, 2, 130, 143}
"""Exit codes of a process that has said why it ended."""


def needs_launch(settings: TrainingSettings) -> bool:
    """Whether several processes are asked for and nothing has started them yet."""
    return (settings.devices or 1) * (settings.hosts or 1) > 1 and not is_launched()


def launch(settings: TrainingSettings, arguments: Sequence[str]) -> int:
    """Runs the command line in several processes and waits for all of them.

    Args:
        settings: Settings of the training.
        arguments: Arguments of the command line, without the program's name.

    Returns:
        The exit code: that of the process that ended first if it failed.

    Raises:
        InputError: if a process was killed, or other hosts are asked for and nothing says where they meet.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what it says, the processes say, too
    devices, nodes = settings.devices or 1, settings.hosts or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // devices)))
    config = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=devices,
        run_id="sampleformer" if nodes > 1 else uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint=_meeting_place(nodes),
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "sampleformer", *arguments)
    except ChildFailedError as failure:
        rank, first = failure.get_first_failure()
        if first.exitcode in _SAID:
            return int(first.exitcode)
        words = first.signal_name() if first.exitcode < 0 else f"exit code {first.exitcode}"
        raise InputError(
            f"rank {rank} of {devices * nodes} (process {first.pid}) was ended by {words}; --resume goes on from the "
            "last checkpoint"
        ) from failure
    except SignalException as stop:
        return 128 + int(stop.sigval)
    return 0


def _meeting_place(nodes: int) -> str:
    """Address and port where the hosts meet."""
    if nodes == 1:
        return "localhost:0"
    address = os.environ.get("MASTER_ADDR")
    if address is None:
        raise InputError(
            f"training.hosts: {nodes} hosts need a place to meet; set MASTER_ADDR to the name of the first one on all "
            "of them, or start the program with torchrun or SLURM"
        )
    return f"{address}:{os.environ.get('MASTER_PORT', '29500')}"
