"""The real program, run in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def start_program(folder: Path, arguments: Sequence[str | Path]) -> "subprocess.Popen[str]":
    """Starts ``sampleformer`` in a folder."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SAMPLEFORMER_CACHE": str(folder / ".cache")}
    environment |= {"COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    environment |= {"TRITON_INTERPRET": "0"}  # that is for tests of kernels, not for users
    command = [sys.executable, "-m", "sampleformer", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, encoding="utf-8")


def run_program(folder: Path, arguments: Sequence[str | Path]) -> "subprocess.CompletedProcess[str]":
    """Runs ``sampleformer`` in a folder to its end."""
    with start_program(folder, arguments) as process:
        out, messages = process.communicate(timeout=240)
    return subprocess.CompletedProcess(process.args, process.returncode, out, messages)


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file and folder below a folder, with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def refused(folder: Path, arguments: Sequence[str | Path]) -> str:
    """The message of a run that must fail in one line, with exit code 2 and without a trace in the folder."""
    before = files_in(folder)
    done = run_program(folder, arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert files_in(folder) == before
    return line.removeprefix("error: ")
