"""How far long work has come, said on the error stream so that output can be piped: a bar on a terminal, else lines.

Nothing is said unless the package logs at the level INFO (``--quiet`` raises it).
"""

import importlib.util
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

PATIENCE = 2.0
"""Seconds of work that need no word."""
SECONDS_BETWEEN_LINES = 10.0
logger = logging.getLogger("sampleformer")


class Pace:
    """The time that the steps of long work take, and whether to say so.

    The first step counts only as long as it is the only one: it is slower than those after it.

    Args:
        total: number of steps; None if unknown.
        done: steps that were done before.
        patience: seconds until the first line is due.
    """

    def __init__(self, total: int | None, done: int = 0, patience: float = PATIENCE) -> None:
        self._total = total
        self._start = self._last = (done, monotonic())
        self._first: tuple[int, float] | None = None
        self._due = self._start[1] + patience

    def step(self, done: int) -> None:
        """Takes the time.

        Args:
            done: number of all steps done.
        """
        self._last = (done, monotonic())
        self._first = self._first or self._last

    def is_due(self) -> bool:
        """Whether to say something now; the next line is due ten seconds later."""
        if monotonic() < self._due:
            return False
        self._due = monotonic() + SECONDS_BETWEEN_LINES
        return True

    @property
    def seconds(self) -> float:
        """Mean time of a step."""
        (before, since), (done, now) = self._first or self._start, self._last
        if done == before:
            before, since = self._start
        return (now - since) / max(1, done - before)

    @property
    def left(self) -> str:
        """The time left, in words; empty where nothing says it."""
        if self._total is None or self._last[0] == self._start[0]:
            return ""
        return f"{rough_time(self.seconds * (self._total - self._last[0]))} left"


def rough_time(seconds: float) -> str:
    """A time in words, as exact as an estimate is.

    Example:
        >>> rough_time(0.2), rough_time(59.7), rough_time(1570), rough_time(11_100)
        ('0 s', '1 min', '26 min', '3 h 5 min')
    """
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def announced(description: str) -> Iterator[None]:
    """Says what is being done if it takes more than two seconds.

    Args:
        description: of the work.
    """
    timer = threading.Timer(PATIENCE, logger.info, ["%s ...", description])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def progress_bar(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar around a long piece of work; where no bar can be drawn, a line now and then.

    Bars are drawn by rich, which comes with the extra ``train``.

    Args:
        description: what is being done.
        total: number of steps; None if unknown.

    Yields:
        A function that sets the number of steps done.
    """
    pace = Pace(total)

    def say(done: int) -> None:
        pace.step(done)
        if pace.is_due():
            logger.info(
                "%s: %s", description, ", ".join(filter(None, [f"{done}/{total}", pace.left])) if total else done
            )

    if importlib.util.find_spec("rich") is None:
        yield say
        return
    from rich.progress import MofNCompleteColumn

    with _progress(MofNCompleteColumn()) as progress:
        if not progress.console.is_terminal:
            yield say
            return
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
