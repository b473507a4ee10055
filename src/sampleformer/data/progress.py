"""Progress bars, drawn on the error stream so that output can be piped."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

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
    from rich.progress import MofNCompleteColumn

    with _progress(MofNCompleteColumn()) as progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def download_bar(description: str) -> Iterator["DownloadBar"]:
    """A progress bar around a download, shown under the same conditions."""
    from rich.progress import DownloadColumn

    with _progress(DownloadColumn()) as progress:
        yield DownloadBar(progress, description)


class DownloadBar:
    """What pooch asks of a progress bar."""

    def __init__(self, progress: "Progress", description: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None)

    @property
    def total(self) -> float | None:
        """Number of bytes to download; None or 0 if the server does not say."""
        return self._progress.tasks[self._task].total

    @total.setter
    def total(self, size: int) -> None:
        self._progress.update(self._task, total=size or None)

    def update(self, size: int) -> None:
        """So many more bytes have come."""
        self._progress.update(self._task, advance=size)

    def reset(self) -> None:
        """Starts anew."""
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        """The download has ended; the bar ends with its block."""


def _progress(counter: "ProgressColumn") -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    hidden = not console.is_terminal or not logger.isEnabledFor(logging.INFO)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), counter, TimeRemainingColumn())
    return Progress(*columns, console=console, disable=hidden)
