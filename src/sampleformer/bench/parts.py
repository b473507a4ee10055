"""The verb ``bench parts``: time and memory of functions inside an attention, beside what they take the place of."""

from __future__ import annotations

import argparse
import json

from sampleformer.bench import console
from sampleformer.bench.options import add_measuring_options
from sampleformer.files import write_bytes
from sampleformer.output_paths import check_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``bench parts`` to a parser."""
    add = parser.add_argument
    add("--parts", default="score,mixing", metavar="NAMES", help="SFT's score, YOSO's mixing or both (default: both)")
    add(
        "--lengths",
        default=None,
        metavar="N,N",
        help="numbers of tokens (default: 1024,4096 for scores, 4096,16384,65536,262144 for mixings)",
    )
    add("--heads", type=int, default=None, metavar="H", help="h (default: 4 for scores, 8 for mixings)")
    add("--head-width", type=int, default=32, metavar="E", help="of a head (default: %(default)s)")
    add("--sampled", type=int, default=256, metavar="K", help="keys of a score (default: %(default)s)")
    add("--hashes", type=int, default=16, metavar="M", help="of YOSO's mixing (default: %(default)s)")
    add("--code-length", type=int, default=9, metavar="T", help="bits of YOSO's codes (default: %(default)s)")
    add_measuring_options(parser, limit_seconds=120.0)


def run(arguments: argparse.Namespace) -> None:
    """Measures, prints the tables, and writes the file asked for.

    Raises:
        InputError: if an option cannot be; before anything is measured.
    """
    from sampleformer.bench.part_measure import measure_parts
    from sampleformer.bench.part_table import part_notes, part_tables
    from sampleformer.bench.settings import PartsSettings
    from sampleformer.bench.table import machine_line

    settings = PartsSettings.read(arguments)
    if settings.json is not None:
        check_writable(settings.json, "--json")
    with console.progress() as watch:
        results = measure_parts(settings, watch)
    title = [f"Parts of attentions: {machine_line(results.records[0])}"] if results.records else []
    console.show([*title, *part_tables(results), *part_notes(results)])
    if settings.json is not None:
        write_bytes(settings.json, (json.dumps(results.records, indent=2) + "\n").encode())
