"""What the benchmarks print."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

logger = logging.getLogger("sampleformer")


def show(blocks: Iterable[Table | str]) -> None:
    """Prints tables and lines, one below the other."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)  # a file is as wide as the tables need it
    for block in blocks:
        if isinstance(block, str):
            console.print(block, soft_wrap=True, markup=False)
        else:
            console.print(block)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A line on the error stream that says what is being done.

    It is drawn only when told, not by a clock: a thread that redraws it would take time from what is measured.
    """
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    hidden = not console.is_terminal or not logger.isEnabledFor(logging.INFO)
    columns = (TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, auto_refresh=False, transient=True, disable=hidden) as line:
        task = line.add_task("starting")
        yield lambda doing: line.update(task, description=doing, refresh=True)
