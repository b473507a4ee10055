"""A process that has imported the program once, or torch alone, and forks a child for each run of Python.

Importing torch and Lightning takes seconds, which most tests need not spend anew. A child is a process of its own, with
its own folder, environment, output and exit code; only its imports are there already. Requests are lines of JSON on the
standard input, answers numbers on the standard output; `tests.forked` has the other end.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import sys
from collections.abc import Sequence
from typing import Any

_PROGRAM = (
    "lightning.pytorch",
    "matplotlib.backends.backend_agg",
    "pandas",
    "pytest",
    "rdkit.Chem.rdFingerprintGenerator",
    "scipy.spatial",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "torch.utils.tensorboard",
    "torch_geometric.data",
    "torchmetrics",
    "sampleformer.cli",
    "sampleformer.compare",
    "sampleformer.data",
    "sampleformer.explain",
    "sampleformer.training.fitting",
)
"""What runs of the program import. What is not installed they miss themselves."""
_TORCH = ("torch", "numpy", "jaxtyping", "pydantic", "safetensors.torch")
"""What a run imports whose subject is what this package imports."""


def serve() -> None:
    """Answers requests until the standard input ends: the exit code of a run, or the number of a process that stays."""
    for line in sys.stdin:
        request = json.loads(line)
        if "ended" in request:
            os.kill(request["ended"], signal.SIGKILL)
            child = request["ended"]
        else:
            child = os.fork()
            if child == 0:
                run(request)
        if request.get("stays"):
            print(child, flush=True)
        else:
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)


def run(request: dict[str, Any]) -> None:
    """Becomes ``python *command``: with the folder and environment of a request, its input and output in files."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a process started in the background ignores it
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, name in enumerate(("input", "output", "error")):
        if name not in request:  # it keeps this process's
            continue
        place = os.open(request[name], os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(place, number)
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - until the process ends
    sys.stdout = open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
    code = 0
    try:
        _become(*request["command"])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _become(first: str, *others: str) -> None:
    if first == "-m":
        sys.argv = [*others]
        runpy.run_module(others[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = [first, *others[1:]]
        exec(compile(others[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [first, *others]
        runpy.run_path(first, run_name="__main__")


def _import(packages: Sequence[str]) -> None:
    for name in packages:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if name.startswith("sampleformer") or error.name is None or not name.startswith(error.name):
                raise


if __name__ == "__main__":
    gc.disable()
    _import({"program": _PROGRAM, "torch": _TORCH}[sys.argv[1]])
    gc.collect()
    gc.freeze()  # children neither look for garbage among what was imported nor copy its memory
    gc.enable()
    serve()
