"""The verb ``bench kernels``: time and memory of Triton kernels beside their plain twins and full attention."""

from __future__ import annotations

import argparse
import json
import logging

from sampleformer.bench import console
from sampleformer.files import write_bytes
from sampleformer.output_paths import check_writable

logger = logging.getLogger("sampleformer")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``bench kernels`` to a parser."""
    add = parser.add_argument
    add("--kernels", default=None, metavar="NAMES", help="which (default: all)")
    add("--lengths", default=None, metavar="N,N", help="of tokens (default: 1024,4096,16384,65536,262144)")
    add("--dtypes", default="bfloat16,float32", metavar="NAMES", help="of the inputs (default: %(default)s)")
    add("--passes", default="forward,train", metavar="NAMES", help="forward, train or both (default: both)")
    add("--batch", type=int, default=1, metavar="B", help="token sets at once (default: %(default)s)")
    add("--heads", type=int, default=None, metavar="H", help="h (default: 8)")
    add("--head-width", type=int, default=None, metavar="E", help="of a head (default: 64)")
    add("--sampled", type=int, default=None, metavar="K", help="tokens that are attended to (default: 256)")
    add("--device", default="cuda", help="cuda (default: %(default)s)")
    add(
        "--interpret", action="store_true", help="no measurement: check small sizes on the CPU, in Triton's interpreter"
    )
    add("--repeats", type=int, default=None, metavar="R", help="timed passes of each cell (default: 7)")
    add(
        "--limit-seconds",
        type=float,
        default=120.0,
        metavar="S",
        help="leave out a cell whose passes would together take longer (default: %(default)g)",
    )
    add("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    add("--json", default=None, metavar="FILE", help="write the measurements there; an existing file is replaced")
    add("--plot", default=None, metavar="FILE.png", help="draw them there; an existing file is replaced")


def run(arguments: argparse.Namespace) -> None:
    """Measures, prints the tables, and writes the files asked for.

    Raises:
        InputError: if an option cannot be or something is missing; before anything is measured.
    """
    from sampleformer.bench.kernels_settings import KernelSettings

    settings = KernelSettings.read(arguments)
    for option, path in (("--json", settings.json), ("--plot", settings.plot)):
        if path is not None:
            check_writable(path, option)
    from sampleformer.bench.kernels_measure import measure_kernels
    from sampleformer.bench.kernels_table import kernel_blocks

    with console.progress() as watch:
        results = measure_kernels(settings, watch)
    console.show(kernel_blocks(results))
    if settings.json is not None:
        write_bytes(settings.json, (json.dumps(results.as_json(), indent=2) + "\n").encode())
    if settings.plot is None:
        return
    if not results.records:
        logger.warning("%s: not drawn, nothing was measured", settings.plot)
        return
    from sampleformer.bench.kernels_plot import draw_kernels

    write_bytes(settings.plot, draw_kernels(results))
