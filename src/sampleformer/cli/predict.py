"""The verb ``predict``."""

import argparse

from sampleformer.cli.data_options import add_format_options, table_format
from sampleformer.cli.output import say
from sampleformer.cli.parser import add_common, add_trust
from sampleformer.training import predict

EXAMPLE = """
sampleformer predict runs/reviews-20260101-120000 new.csv -o predictions.csv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the file and where the predictions go."""
    parser.add_argument("folder", metavar="RUN", help="a run folder")
    parser.add_argument(
        "file", help="a table with the columns of the training data, or a folder like it; labels are not needed"
    )
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="CSV: the id and the prediction of a row")
    parser.add_argument("--force", action="store_true", help="overwrite the output")
    parser.add_argument("--on-error", default="stop", metavar="stop|skip", help="what to do at a wrong row")
    add_format_options(parser)
    add_trust(parser)
    add_common(parser)


def run(options: argparse.Namespace) -> None:
    """Writes the predictions and says how many."""
    rows = predict(
        options.folder,
        options.file,
        options.output,
        device=options.device,
        on_error=options.on_error,
        format=table_format(options),
        force=options.force,
        trust_code=options.trust_code,
    )
    say(f"{rows} predictions: {options.output}", options.output)
