"""The verb ``bench speed``: time and memory of one layer against the number of tokens."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sampleformer.bench import console
from sampleformer.bench.options import add_measuring_options
from sampleformer.files import write_bytes
from sampleformer.output_paths import check_writable

if TYPE_CHECKING:
    from sampleformer.bench.records import Results

logger = logging.getLogger("sampleformer")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``bench speed`` to a parser."""
    add = parser.add_argument
    add("--attentions", default="samsa,full", metavar="NAMES", help="what to compare (default: %(default)s)")
    add("--lengths", default="1024,4096,16384", metavar="N,N", help="numbers of tokens (default: %(default)s)")
    add("--width", type=int, default=128, metavar="D", help="of the layer (default: %(default)s)")
    add("--heads", type=int, default=8, metavar="H", help="of the attention (default: %(default)s)")
    add("--sampled", type=int, default=256, metavar="K", help="tokens that a head attends to (default: %(default)s)")
    add(
        "--set",
        action="append",
        metavar="NAME.ARGUMENT=VALUE",
        help="an argument of one attention, such as yoso.hashes=32; may be repeated",
    )
    add_measuring_options(parser, limit_seconds=600.0)
    add("--crossovers", default=None, metavar="FILE", help="write the table that the attention `auto` chooses by")
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
    from sampleformer.bench.table import crossover_records, notes, settings_line, tables

    settings = SpeedSettings.read(arguments)
    for option, path in (("--json", settings.json), ("--crossovers", settings.crossovers), ("--plot", settings.plot)):
        if path is not None:
            check_writable(path, option)
    with console.progress() as watch:
        results = measure(settings, watch)
    title = [f"One layer: {settings_line(results)}"] if results.floors else []
    console.show([*title, *tables(results), *notes(results)])
    if settings.json is not None:
        write_bytes(settings.json, (json.dumps(results.records, indent=2) + "\n").encode())
    if settings.crossovers is not None:
        write_bytes(settings.crossovers, (json.dumps(crossover_records(results), indent=2) + "\n").encode())
    if settings.plot is not None:
        _plot(results, settings.plot)


def _plot(results: Results, path: Path) -> None:
    if not results.records:
        logger.warning("%s: not drawn, nothing was measured", path)
        return
    from sampleformer.bench.plot import draw

    write_bytes(path, draw(results))
