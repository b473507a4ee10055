"""Processes of one training that stay for all tests of a file, each forked from one that has imported the package."""

import multiprocessing
import os
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

_PRELOADED = ["lightning.pytorch", "torchmetrics", "sampleformer.training.fitting", "sampleformer.data"]


class Ranks:
    """Processes that think torchrun started them.

    Args:
        size: Number of processes.
    """

    def __init__(self, size: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        environment = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "GROUP_RANK": 0}
        environment |= {"MASTER_PORT": _free_port(), "TORCHELASTIC_RUN_ID": "tests", "OMP_NUM_THREADS": 1}
        self._pipes, self._processes = [], []
        for rank in range(size):
            ours, theirs = context.Pipe()
            own = environment | {"RANK": rank, "LOCAL_RANK": rank}
            process = context.Process(target=_serve, args=(theirs, {k: str(v) for k, v in own.items()}), daemon=True)
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)

    def run(self, function: Callable[..., Any], *arguments: Any, answers: int | None = None) -> list[Any]:
        """What a function returns in each process; an error of one is raised here.

        Args:
            function: Function of some module.
            arguments: Its arguments.
            answers: Number of the first processes whose answers are awaited. None: all.
        """
        for pipe in self._pipes:
            pipe.send((function, arguments))
        results = [pipe.recv() for pipe in self._pipes[:answers]]
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results

    def close(self) -> None:
        """Ends the processes."""
        for process in self._processes:
            process.kill()
            process.join()


def _serve(pipe: Connection, environment: dict[str, str]) -> None:
    os.environ |= environment
    while True:
        function, arguments = pipe.recv()
        try:
            pipe.send(function(*arguments))
        except BaseException as error:
            pipe.send(error)


def _free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])
