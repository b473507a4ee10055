"""The command line: reads the arguments, calls the package, prints what came out."""

import logging
import sys
from collections.abc import Sequence

from sampleformer.allocator import keep_freed_memory
from sampleformer.cli.parser import parse
from sampleformer.errors import InputError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program. From then on this process keeps freed memory, see `keep_freed_memory`.

    Args:
        arguments: after the program's name. None: those of this process.

    Returns:
        The exit code: 0, 2 if what the user gave cannot be used, 130 if the user stopped it.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = parse(arguments)
        _set_up_messages(quiet=getattr(options, "quiet", False))
        if not getattr(options, "return_memory", False):
            keep_freed_memory()
        options.run(options)
    except InputError as error:
        if "--debug" in arguments:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"interrupted{f'; {stop}' if str(stop) else ''}", file=sys.stderr)
        return 130
    return 0


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
