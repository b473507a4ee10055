"""Progress bars, drawn on the error stream so that output can be piped."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger("sampleformer")


@contextmanager
def progress_bar(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar around a long piece of work.

    It is drawn only if the error stream is a terminal and the package logs at the level INFO (``--quiet`` raises it).

    Args:
        description: what is being done.
        total: number of steps; None if unknown.

    Yields:
        A function that sets the number of steps done.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not console.is_terminal or not logger.isEnabledFor(logging.INFO)
    with Progress(*columns, console=console, disable=hidden) as progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.update(task, completed=done)
