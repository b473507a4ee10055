"""The real program, run in a process of its own."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.forked import run_python

PROGRAM = ("-m", "sampleformer")
INTERRUPTED = (
    "-c",
    """
import os
import signal
import sys

from sampleformer.cli import main
from sampleformer.training.callbacks.checkpoints import Checkpoints

write = Checkpoints.on_train_epoch_end

def write_and_interrupt(*arguments):
    write(*arguments)
    os.kill(os.getpid(), signal.SIGINT)

Checkpoints.on_train_epoch_end = write_and_interrupt
sys.exit(main())
""",
)
"""The program, in which the user presses Ctrl-C as soon as the first check is written."""


def run_program(
    folder: Path, arguments: Sequence[str | Path], code: Sequence[str] = PROGRAM
) -> "subprocess.CompletedProcess[str]":
    """Runs ``sampleformer`` in a folder to its end."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SAMPLEFORMER_CACHE": str(folder / ".cache")}
    environment |= {"COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    environment |= {"TRITON_INTERPRET": "0"}  # that is for tests of kernels, not for users
    return run_python([*code, *arguments], folder, environment)


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file and folder below a folder, with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def refused(folder: Path, arguments: Sequence[str | Path]) -> str:
    """The message of a run that must fail in one line, with exit code 2 and without a trace in the folder.

    Before it may stand what was said of the data while it was read.
    """
    before = files_in(folder)
    done = run_program(folder, arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    *said, line = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert not any(earlier.startswith(("error: ", "Traceback", " ")) for earlier in said)
    assert files_in(folder) == before
    return line.removeprefix("error: ")
