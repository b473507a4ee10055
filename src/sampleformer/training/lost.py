"""What becomes of a training when one of its processes is lost or ends, and when torchrun starts it again."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist

from sampleformer.errors import InputError
from sampleformer.reading import is_of_memory
from sampleformer.training.processes import Processes, is_launched
from sampleformer.training.run_folder import RunFolder

ANSWER_SECONDS = 3.0
"""Time in which a process that still runs finds out that another one is lost, and says that it is there."""
_SIGNS = ("gloo", "nccl", "connection closed", "connection reset", "timed out", "timeout", "broken pipe", "peer")


class LostProcesses(InputError):
    """Other processes of the training ended or did not answer in time."""


@contextmanager
def watched(processes: Processes) -> Iterator[None]:
    """Context in which the loss of another process ends this one with a line that names it.

    Args:
        processes: Processes that train together.

    Raises:
        LostProcesses: if another process was lost.
    """
    try:
        yield
    except RuntimeError as error:
        if processes.size == 1 or is_of_memory(error) or not _is_of_others(error):
            raise
        raise LostProcesses(_missing(processes)) from error


def _is_of_others(error: RuntimeError) -> bool:
    """Whether talking to other processes failed."""
    return isinstance(error, dist.DistError) or any(sign in str(error).lower() for sign in _SIGNS)


def _missing(processes: Processes) -> str:
    """Says which processes no longer answer."""
    words = "was lost (killed, or silent for longer than training.timeout_minutes); --resume goes on"
    store = _store()
    if store is None:  # the first process has it where no launcher does
        return f"rank 0 of {processes.size} {words}"
    _set(store, f"alive/{processes.rank}", "yes")
    time.sleep(ANSWER_SECONDS)
    gone = [rank for rank in range(processes.size) if not _has(store, f"alive/{rank}")]
    if not gone:
        return f"the connection between the {processes.size} processes was lost; --resume goes on"
    ranks = "rank" if len(gone) == 1 else "ranks"
    return f"{ranks} {', '.join(map(str, gone))} of {processes.size} {words}"


def may_speak() -> bool:
    """Whether this process is to say why the training ends: the first of its processes that asks.

    All of them find most mistakes of the user, and those that only lose a partner have nothing to add.
    """
    if not is_launched():
        return True
    store = _store()
    if store is None:
        return True
    name = str(os.getpid())
    return bool(store.compare_set(_key("speaker"), "", name).decode() == name)


def launcher() -> str | None:
    """Name of the torchrun that started this process, for ``run.json``; None: it was not torchrun."""
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        return None
    return f"{os.environ['TORCHELASTIC_RUN_ID']} {socket.gethostname()} {os.getppid()}"


def was_begun(folder: RunFolder) -> bool:
    """Whether the torchrun that started this process did so once before, for the run in this folder."""
    name = launcher()
    if name is None or _attempt() == 0 or not folder.run_file.exists():
        return False
    run = folder.read_run()
    return name in run.get("launchers", []) + [each for session in run["resumed"] for each in session["launchers"]]


def begun_output(places: Iterable[Path]) -> Path | None:
    """The run folder that processes began in whose place torchrun started these; None: there is none.

    Args:
        places: Where it may be.
    """
    if launcher() is None or _attempt() == 0:
        return None
    return next((place for place in places if was_begun(RunFolder(place))), None)


def _attempt() -> int:
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def _key(name: str) -> str:
    return f"sampleformer/{_attempt()}/{name}"


def _store() -> dist.TCPStore | None:
    """The launcher's store of words, or that of the first process; None: nobody answers."""
    try:
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        return dist.TCPStore(address, port, is_master=False, timeout=timedelta(seconds=10), wait_for_workers=False)
    except (KeyError, RuntimeError):  # torch's errors of connecting are RuntimeErrors
        return None


def _set(store: dist.TCPStore, name: str, value: str) -> None:
    store.set(_key(name), value)


def _has(store: dist.TCPStore, name: str) -> bool:
    return bool(store.check([_key(name)]))
