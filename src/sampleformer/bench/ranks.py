"""Processes of one measurement that talk to each other."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from sampleformer.distributed.ending import end_process


def in_ranks(ranks: int, function: Callable[..., Any], *arguments: Any, threads: int | None = None) -> Any:
    """Calls a function in new processes that form a group, and gives what it returns in the first one.

    Args:
        ranks: Number of processes on this machine, which talk by gloo.
        function: Function of a module, whose result JSON can hold.
        arguments: Its arguments.
        threads: Threads of each process. None: the cores, shared out.
    """
    threads = threads or max(1, len(os.sched_getaffinity(0)) // ranks)
    with tempfile.TemporaryDirectory() as folder:  # in which the answer comes back
        torch.multiprocessing.spawn(_serve, (ranks, folder, threads, function, arguments), nprocs=ranks)
        return json.loads(Path(folder, "answer.json").read_text(encoding="utf-8"))


def _serve(
    rank: int, ranks: int, folder: str, threads: int, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(threads)
    store = dist.FileStore(str(Path(folder, "store")), ranks)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=ranks)
    answer = function(*arguments)
    if rank == 0:
        Path(folder, "answer.json").write_text(json.dumps(answer), encoding="utf-8")
    end_process(0)
