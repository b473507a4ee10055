"""The verb ``bench speed``: time and memory of one layer against the number of tokens."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sampleformer.files import check_writable, write_bytes

if TYPE_CHECKING:
    from sampleformer.bench.records import Results

logger = logging.getLogger("sampleformer")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``bench speed`` to a parser."""
    add = parser.add_argument
    add("--attentions", default="samsa,full", metavar="NAMES", help="what to compare (default: %(default)s)")
    add("--lengths", default="1024,4096,16384", metavar="N,N", help="numbers of tokens (default: %(default)s)")
    add("--passes", default="forward,train", metavar="NAMES", help="forward, train or both (default: both)")
    add("--width", type=int, default=128, metavar="D", help="of the layer (default: %(default)s)")
    add("--heads", type=int, default=8, metavar="H", help="of the attention (default: %(default)s)")
    add("--sampled", type=int, default=256, metavar="K", help="tokens that a head attends to (default: %(default)s)")
    add("--batch", type=int, default=1, metavar="B", help="token sets at once (default: %(default)s)")
    add("--dtype", default="float32", help="float32, bfloat16, float16 or float64 (default: %(default)s)")
    add("--device", default="cpu", help="cpu, cuda or mps (default: %(default)s)")
    add("--threads", type=int, default=None, metavar="T", help="of torch on the CPU (default: torch's own choice)")
    add("--repeats", type=int, default=7, metavar="R", help="timed passes of each cell (default: %(default)s)")
    add(
        "--limit-seconds",
        type=float,
        default=600.0,
        metavar="S",
        help="leave out a cell whose passes would together take longer (default: %(default)g)",
    )
    add("--seed", type=int, default=0, help="of weights, features and noise (default: %(default)s)")
    add("--json", default=None, metavar="FILE", help="write the measurements there; an existing file is replaced")
    add("--plot", default=None, metavar="FILE.png", help="draw them there; an existing file is replaced")


def run(arguments: argparse.Namespace) -> None:
    """Measures, prints the tables, and writes the files asked for.

    The measured layer is an encoder layer: attention and MLP, each with its norm, and the residuals. Beside it stands
    the token-wise floor: the same layer with nothing between the query and the output projection.

    Raises:
        InputError: if an option cannot be; before anything is measured.
    """
    from sampleformer.bench.measure import measure
    from sampleformer.bench.settings import SpeedSettings

    settings = SpeedSettings.read(arguments)
    for option, path in (("--json", settings.json), ("--plot", settings.plot)):
        if path is not None:
            check_writable(path, option)
    with _progress() as watch:
        results = measure(settings, watch)
    _print(results)
    if settings.json is not None:
        write_bytes(settings.json, (json.dumps(results.records, indent=2) + "\n").encode())
    if settings.plot is not None:
        _plot(results, settings.plot)


def _print(results: Results) -> None:
    from rich.console import Console

    from sampleformer.bench.table import notes, settings_line, tables

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)  # a file is as wide as the tables need it
    if results.floors:
        console.print(f"One layer: {settings_line(results)}", soft_wrap=True, markup=False)
    for table in tables(results):
        console.print(table)
    for sentence in notes(results):
        console.print(sentence, soft_wrap=True, markup=False)


def _plot(results: Results, path: Path) -> None:
    if not results.records:
        logger.warning("%s: not drawn, nothing was measured", path)
        return
    from sampleformer.bench.plot import draw

    write_bytes(path, draw(results))


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A line on the error stream that says what is being done.

    It is drawn only when told, not by a clock: a thread that redraws it would take time from what is measured.
    """
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    hidden = not console.is_terminal or not logger.isEnabledFor(logging.INFO)
    columns = (TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, auto_refresh=False, transient=True, disable=hidden) as progress:
        task = progress.add_task("starting")
        yield lambda doing: progress.update(task, description=doing, refresh=True)
