"""The verb ``bench shards``: one layer whose tokens several ranks share; time, memory and bytes sent."""

from __future__ import annotations

import argparse
import json

from sampleformer.bench import console, options
from sampleformer.files import write_bytes
from sampleformer.output_paths import check_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``bench shards`` to a parser."""
    add = parser.add_argument
    add(
        "--attentions",
        default="samsa,all-gather",
        metavar="NAMES",
        help="what to compare; all-gather: the keys and values of all tokens, which full attention needs "
        "(default: %(default)s)",
    )
    add("--lengths", default="4096,16384,65536,262144", metavar="N,N", help="numbers of tokens (default: %(default)s)")
    add("--ranks", default="2,4", metavar="R,R", help="numbers of ranks that share them (default: %(default)s)")
    add("--width", type=int, default=128, metavar="D", help="of the layers (default: %(default)s)")
    add("--heads", type=int, default=8, metavar="H", help="of the attention (default: %(default)s)")
    add("--layers", type=int, default=1, metavar="L", help="of the stack (default: %(default)s)")
    add("--sampled", type=int, default=256, metavar="K", help="tokens that a head attends to (default: %(default)s)")
    add("--passes", default="forward,train", metavar="NAMES", help="forward, train or both (default: both)")
    add(
        "--checkpoint",
        type=int,
        default=None,
        metavar="N",
        help="activation checkpointing, token-wise work in blocks of N tokens (default: none)",
    )
    add("--threads", type=int, default=None, metavar="T", help="of each rank (default: the cores over the ranks)")
    add("--repeats", type=int, default=3, metavar="R", help="timed passes of each cell (default: %(default)s)")
    add("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    add("--json", default=None, metavar="FILE", help="write the measurements there; an existing file is replaced")
    add("--plot", default=None, metavar="FILE.png", help="draw the bytes there; an existing file is replaced")


def run(arguments: argparse.Namespace) -> None:
    """Measures, prints the table, and writes the files asked for.

    Raises:
        InputError: if an option cannot be; before anything is measured.
    """
    json_path, plot_path = options.json_path(arguments.json), options.png_path(arguments.plot)
    for option, path in (("--json", json_path), ("--plot", plot_path)):
        if path is not None:
            check_writable(path, option)
    from sampleformer.bench.shards_measure import ShardSettings, measure_shards
    from sampleformer.bench.shards_table import shards_table, title

    settings = ShardSettings.read(arguments)
    with console.progress() as watch:
        records = measure_shards(settings, watch)
    console.show([title(records), shards_table(records)])
    if json_path is not None:
        write_bytes(json_path, (json.dumps(records, indent=2) + "\n").encode())
    if plot_path is not None:
        from sampleformer.bench.shards_plot import draw_shards

        write_bytes(plot_path, draw_shards(records))
