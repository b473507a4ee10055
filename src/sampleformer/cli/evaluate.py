"""The verb ``evaluate``."""

import argparse

from sampleformer.cli.data_options import add_format_options, table_format
from sampleformer.cli.output import show
from sampleformer.cli.parser import add_common, add_trust
from sampleformer.training import evaluate
from sampleformer.training.summary import evaluation_table

EXAMPLE = """
sampleformer evaluate runs/reviews-20260101-120000
sampleformer evaluate runs/reviews-20260101-120000 more_reviews.csv
sampleformer evaluate runs/shapes-20260101-120000 --set data.evaluation_rotation=so3
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run and the file."""
    parser.add_argument("folder", metavar="RUN", help="a run folder")
    parser.add_argument(
        "file",
        nargs="?",
        help="a table with the columns of the training data, or a folder like it; else the test part",
    )
    parser.add_argument("--on-error", default="stop", metavar="stop|skip", help="what to do at a wrong row")
    add_format_options(parser)
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="settings of the data, for its test part"
    )
    add_trust(parser)
    add_common(parser)


def run(options: argparse.Namespace) -> None:
    """Shows the scores."""
    scores = evaluate(
        options.folder,
        options.file,
        changes=options.set,
        device=options.device,
        on_error=options.on_error,
        format=table_format(options),
        trust_code=options.trust_code,
    )
    show(evaluation_table(scores))
