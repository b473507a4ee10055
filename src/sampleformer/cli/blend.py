"""The verb ``blend``."""

import argparse
import sys

from sampleformer.cli.output import show, write_report
from sampleformer.cli.parser import add_common, add_trust
from sampleformer.training import blend
from sampleformer.training.joining import CHANGED
from sampleformer.training.summary import run_lines, run_table

EXAMPLE = """
sampleformer blend runs/seed-0 runs/seed-1 runs/seed-2 --output runs/three
sampleformer blend runs/seed-0 --output runs/beside-a-forest --set blend=[forest]
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, the new one, and what is fitted beside."""
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="finished runs of the same data; the first gives its name"
    )
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="the new run folder")
    changed = ", ".join(CHANGED)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=f"one of {changed}")
    add_trust(parser)
    add_common(parser)


def run(options: argparse.Namespace) -> None:
    """Blends, writes the report and shows the scores."""
    folder = blend(
        options.runs,
        options.output,
        changes=options.set,
        device=options.device,
        command=sys.argv,
        finished=lambda folder, splits, predictions: write_report(folder, splits.test),
        trust_code=options.trust_code,
    )
    results = folder.read_results()
    assert results is not None
    show(run_table(results))
    print(*run_lines(folder, results), sep="\n")
