"""A process that has imported the program once, and forks a child for each run of it.

Importing torch and Lightning takes seconds, which most tests need not spend anew. A child is a process of its own, with
its own folder, environment, output and exit code; only its imports are there already. Requests are lines of JSON on the
standard input, answers exit codes on the standard output.
"""

import json
import os
import signal
import sys
from typing import Any

import lightning.pytorch
import torchmetrics

import sampleformer.training.fitting
from sampleformer.cli import main

_WARM = (lightning.pytorch, torchmetrics, sampleformer.training.fitting)


def serve() -> None:
    """Answers requests until the standard input ends."""
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            run(request)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(request: dict[str, Any]) -> None:
    """Becomes the program: with the folder, environment and arguments of a request, its output in files."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a process started in the background ignores it
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, name in enumerate(("input", "output", "error")):
        place = os.open(request[name], os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(place, number)
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - until the process ends
    sys.stdout = open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
    sys.argv = ["sampleformer", *request["arguments"]]
    code = 1
    try:
        code = main()
    except SystemExit as stop:  # of --help and --version
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()
