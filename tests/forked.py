"""Python started in a process of its own, forked from one that has imported what takes long: see `tests.warm`."""

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

POSSIBLE = hasattr(os, "fork")


def run_python(
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    given: str = "",
    imported: str = "program",
) -> "subprocess.CompletedProcess[str]":
    """Runs ``python *command`` to its end.

    Args:
        command: Arguments of Python: ``-m`` and a module, ``-c`` and code, or a file; then those of the program.
        folder: Folder in which it runs.
        environment: Environment. Default: this process's.
        given: Text of its standard input.
        imported: What is imported already. ``"program"``: what a training needs; ``"torch"``: nothing of this package.
    """
    environment = {**os.environ} if environment is None else environment
    arguments = [*map(str, command)]
    if not POSSIBLE:
        options: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "check": False, "input": given}
        return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, **options)
    with tempfile.TemporaryDirectory() as place:
        files = {name: Path(place) / name for name in ("input", "output", "error")}
        files["input"].write_text(given, encoding="utf-8")
        request = {"command": arguments, "folder": str(folder), "environment": dict(environment)}
        code = _asked(request | {name: str(path) for name, path in files.items()}, imported)
        output, error = (files[name].read_text(encoding="utf-8") for name in ("output", "error"))
    return subprocess.CompletedProcess(arguments, code, output, error)


def start_python(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Starts ``python *command``, which stays until `end`; the number of its process. Its output is thrown away."""
    files = dict.fromkeys(("input", "output"), os.devnull)
    request = {"command": [*command], "folder": os.getcwd(), "environment": dict(environment), "stays": True}
    return _asked(request | files, "program")


def end(process: int) -> None:
    """Ends one that stays, and waits for it."""
    _asked({"ended": process}, "program")


def _asked(request: dict[str, Any], imported: str) -> int:
    server = _server(imported)
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    return int(server.stdout.readline())


@functools.cache
def _server(imported: str) -> "subprocess.Popen[str]":
    """The process that has imported it, one for each process that runs tests."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TRITON_INTERPRET": "0", "COLUMNS": "100"}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.warm", imported],
        cwd=Path(__file__).parents[1],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    atexit.register(server.kill)
    return server
