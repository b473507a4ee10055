"""The verb ``bench clouds``: point clouds a second of whole models, beside PointNet and DGCNN."""

from __future__ import annotations

import argparse
import json
import logging

from sampleformer.bench import console
from sampleformer.bench.options import add_measuring_options
from sampleformer.files import write_bytes
from sampleformer.output_paths import check_writable

NAMES = "samsa,sft,yoso,full,pointnet,dgcnn,dgcnn-factored"
BATCH = 32

logger = logging.getLogger("sampleformer")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``bench clouds`` to a parser."""
    add = parser.add_argument
    add("--models", default=NAMES, metavar="NAMES", help="what to compare (default: %(default)s)")
    add("--points", default="1024", metavar="N,N", help="of a cloud (default: %(default)s)")
    add(
        "--published",
        action="store_true",
        help="give our models their published sizes, 6 layers of width 256, k = 512 (SFT: 8 layers, k = 256), "
        "instead of 4 layers of width 128, k = 256; with 32 clouds, SFT's training step then takes 29 GiB of memory",
    )
    add("--layers", type=int, default=None, metavar="L", help="of our models")
    add("--width", type=int, default=None, metavar="D", help="of our models")
    add("--heads", type=int, default=None, metavar="H", help="of our models (default: 4; published: 8)")
    add("--sampled", type=int, default=None, metavar="K", help="points that a head attends to")
    add("--invariant", action="store_true", help="let our models see only what no rotation changes")
    add(
        "--neighbours",
        type=int,
        default=16,
        metavar="K",
        help="nearest points of each point that the embedding of our models sees; 0: none (default: %(default)s)",
    )
    add_measuring_options(parser, limit_seconds=600.0)
    parser.set_defaults(batch=BATCH)
    add("--plot", default=None, metavar="FILE.png", help="draw them there; an existing file is replaced")


def run(arguments: argparse.Namespace) -> None:
    """Measures, prints the tables, and writes the files asked for.

    Every model classifies the same clouds. Ours see coordinates and normals, PointNet and DGCNN coordinates, as each
    was published.

    Raises:
        InputError: if an option cannot be; before anything is measured.
    """
    from sampleformer.bench.cloud_measure import measure_clouds
    from sampleformer.bench.cloud_settings import CloudsSettings
    from sampleformer.bench.cloud_table import cloud_notes, cloud_tables
    from sampleformer.bench.table import machine_line

    settings = CloudsSettings.read(arguments)
    for option, path in (("--json", settings.json), ("--plot", settings.plot)):
        if path is not None:
            check_writable(path, option)
    with console.progress() as watch:
        results = measure_clouds(settings, watch)
    title = [f"Point clouds: {machine_line(results.records[0])}"] if results.records else []
    console.show([*title, *cloud_tables(results), *cloud_notes(results)])
    if settings.json is not None:
        write_bytes(settings.json, (json.dumps(results.records, indent=2) + "\n").encode())
    if settings.plot is not None and not results.records:
        logger.warning("%s: not drawn, nothing was measured", settings.plot)
    elif settings.plot is not None:
        from sampleformer.bench.cloud_plot import draw_clouds

        write_bytes(settings.plot, draw_clouds(results.records))
