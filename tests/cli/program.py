"""The real program, run in a process of its own."""

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

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
    """Runs ``sampleformer`` in a folder to its end.

    Where processes can be forked, the program's imports are there already, see `warm`; other code starts cold.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SAMPLEFORMER_CACHE": str(folder / ".cache")}
    environment |= {"COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    environment |= {"TRITON_INTERPRET": "0"}  # that is for tests of kernels, not for users
    if code == PROGRAM and hasattr(os, "fork"):
        return _run_warm(folder, [*map(str, arguments)], environment)
    # A process that a script starts in the background ignores Ctrl-C, and so do its children unless told otherwise.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL) if os.name == "posix" else None
    return subprocess.run(
        [sys.executable, *code, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        preexec_fn=heed,
        check=False,
    )


def _run_warm(folder: Path, arguments: list[str], environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with tempfile.TemporaryDirectory() as place:
        files = {"output": Path(place) / "output", "error": Path(place) / "error"}
        request = {"folder": str(folder), "arguments": arguments, "environment": environment, "input": os.devnull}
        server.stdin.write(json.dumps(request | {name: str(path) for name, path in files.items()}) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        output, error = (path.read_text(encoding="utf-8") for path in files.values())
    return subprocess.CompletedProcess(arguments, code, output, error)


@functools.cache
def _server() -> "subprocess.Popen[str]":
    """The process that has imported the program, one for each process that runs tests."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TRITON_INTERPRET": "0", "COLUMNS": "100"}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.warm"],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    atexit.register(server.kill)
    return server


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
