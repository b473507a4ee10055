"""The command line: reads the arguments, calls the package, prints what came out."""

import io
import logging
import os
import sys
from collections.abc import Sequence

from sampleformer.allocator import keep_few_primitives, keep_freed_memory
from sampleformer.cli.parser import parse
from sampleformer.errors import InputError, Terminated, printable
from sampleformer.reading import is_of_memory

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program. From then on this process keeps freed memory and few primitives, see `allocator`.

    Args:
        arguments: after the program's name. None: those of this process.

    Returns:
        The exit code: 0, 2 if what the user gave or the machine has cannot be used, 130 if the user stopped it, 143 if
        the system did, 1 if whoever read the output has gone.
    """
    code = _run(list(sys.argv[1:] if arguments is None else arguments))
    if "sampleformer.training.processes" in sys.modules:
        from sampleformer.distributed.ending import end_process

        end_process(code)
    return code


def _run(arguments: list[str]) -> int:
    """Runs the program, and says in one line what ended it."""
    _print_anything()
    try:
        options = parse(arguments)
        _set_up_messages(quiet=getattr(options, "quiet", False))
        keep_few_primitives()
        if not getattr(options, "return_memory", False):
            keep_freed_memory()
        code = options.run(options)
        sys.stdout.flush()  # here, where a full disk still has a message
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
        return 1
    except (InputError, OSError, MemoryError, RuntimeError) as error:
        if "--debug" in arguments or not _is_of_the_user(error):
            raise
        if _is_spoken_for():
            return 2
        print(f"error: {printable(_words(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        if not _is_spoken_for():
            print(f"interrupted{f'; {stop}' if str(stop) else ''}", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    return int(code or 0)


def _is_spoken_for() -> bool:
    """Whether this is one of several processes, and another one says why they end."""
    if "WORLD_SIZE" not in os.environ and "SLURM_NTASKS" not in os.environ:
        return False
    from sampleformer.training.lost import may_speak  # imports what most errors come before

    return not may_speak()


def _is_of_the_user(error: Exception) -> bool:
    """Whether an error is one that the user or the machine is to blame for, and not this program."""
    return not isinstance(error, RuntimeError) or isinstance(error, RecursionError) or is_of_memory(error)


def _words(error: Exception) -> str:
    if is_of_memory(error):
        return "this needs more memory than there is; a smaller batch, fewer tokens or a smaller model need less"
    if isinstance(error, RecursionError):
        return "something is nested too deeply; --debug shows where"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}"
    return str(error)


def _print_anything() -> None:
    """Lets a terminal that lacks a character show its escape instead of stopping the program."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - a closed stream is None
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _CurrentError(logging.StreamHandler):  # no [Any]: Python 3.10 cannot subscript it
    """Writes to whatever standard error is now, so that a progress bar can move out of the way."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr  # not setStream, which flushes the one before: it may be closed by now
        super().emit(record)


def _set_up_messages(*, quiet: bool) -> None:
    log = logging.getLogger("sampleformer")
    log.handlers = [_CurrentError()]
    log.propagate = False
    log.setLevel(logging.WARNING if quiet else logging.INFO)
