"""Processes of one training that stay for all tests of a file, each forked from one that has imported the package."""

import os
import socket
import sys
from collections.abc import Callable
from multiprocessing import current_process
from multiprocessing.connection import Client, Listener
from typing import Any

from tests import forked


class Ranks:
    """Processes that think torchrun started them.

    Args:
        size: Number of processes.
    """

    def __init__(self, size: int) -> None:
        shared = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "GROUP_RANK": 0}
        shared |= {"MASTER_PORT": free_port(), "TORCHELASTIC_RUN_ID": "tests", "OMP_NUM_THREADS": 1}
        self._pipes, self._processes = [], []
        for rank in range(size):
            own = {name: str(value) for name, value in (shared | {"RANK": rank, "LOCAL_RANK": rank}).items()}
            with Listener(family="AF_UNIX") as listener:
                command = ["-m", "tests.training.ranks", str(listener.address), current_process().authkey.hex()]
                self._processes.append(forked.start_python(command, os.environ | own))
                self._pipes.append(listener.accept())

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
            forked.end(process)


def _serve(address: str, key: bytes) -> None:
    current_process().authkey = key  # with which tensors are fetched
    pipe = Client(address)
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:  # the tests have ended
            return
        try:
            pipe.send(function(*arguments))
        except BaseException as error:
            pipe.send(error)


def free_port() -> int:
    """Number of a port that nobody listens at."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


if __name__ == "__main__":
    _serve(sys.argv[1], bytes.fromhex(sys.argv[2]))
