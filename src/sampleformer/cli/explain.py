"""The verb ``explain``."""

import argparse

from sampleformer.cli.data_options import add_format_options, table_format
from sampleformer.cli.output import say
from sampleformer.cli.parser import add_trust
from sampleformer.errors import InputError
from sampleformer.explain import Deletions, write_page
from sampleformer.output_paths import check_output

EXAMPLE = """
sampleformer explain runs/reviews-20260101-120000 new.csv -o page.html
sampleformer explain runs/reviews-20260101-120000 new.csv -o page.html --faithfulness
sampleformer explain runs/reviews-20260101-120000 new.csv -o page.html --beside runs/reviews-20260102-090000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the file and the page."""
    parser.add_argument("folder", metavar="RUN", help="a run folder")
    parser.add_argument(
        "file", help="a table with the columns of the training data, or a folder like it; labels are shown if any"
    )
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the HTML page")
    parser.add_argument("--samples", type=int, default=8, metavar="N", help="so many of the first rows (default 8)")
    parser.add_argument("--beside", metavar="RUN", help="another run, whose model's choices stand beside these")
    parser.add_argument(
        "--ids",
        nargs=2,
        metavar=("A", "B"),
        help="two samples of the file beside each other: ids or row numbers",
    )
    parser.add_argument(
        "--faithfulness",
        action="store_true",
        help="delete chosen tokens, and random ones, and show what that costs",
    )
    parser.add_argument("--draws", type=int, metavar="N", help="so many draws of random tokens to delete (default 10)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of these draws (default 0)")
    parser.add_argument("--force", action="store_true", help="overwrite the output")
    parser.add_argument("--on-error", default="stop", metavar="stop|skip", help="what to do at a wrong row")
    add_format_options(parser)
    add_trust(parser)
    parser.add_argument("--quiet", action="store_true", help="no messages and progress bars, only the result")


def run(options: argparse.Namespace) -> None:
    """Writes the page."""
    check_output(options.output, force=options.force, inputs=[options.file])
    if options.samples < 1:
        raise InputError(f"--samples: found {options.samples}, expected at least 1")
    drawn = {name: given for name in ("draws", "seed") if (given := getattr(options, name)) is not None}
    if drawn and not options.faithfulness:
        raise InputError(f"--{next(iter(drawn))} is of the deletions of --faithfulness, which is not there")
    write_page(
        options.folder,
        options.file,
        options.output,
        samples=options.samples,
        beside=options.beside,
        ids=options.ids and tuple(options.ids),
        deletions=Deletions(**drawn) if options.faithfulness else None,
        on_error=options.on_error,
        format=table_format(options),
        force=options.force,
        trust_code=options.trust_code,
    )
    say(f"explanation: {options.output}", options.output)
