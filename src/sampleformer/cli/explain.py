"""The verb ``explain``."""

import argparse

from sampleformer.cli.data_options import add_format_options, table_format
from sampleformer.cli.output import say
from sampleformer.cli.parser import add_trust
from sampleformer.errors import InputError
from sampleformer.explain import write_page
from sampleformer.files import check_output

EXAMPLE = """
sampleformer explain runs/reviews-20260101-120000 new.csv -o page.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the file and the page."""
    parser.add_argument("folder", metavar="RUN", help="a run folder")
    parser.add_argument("file", help="a table with the columns of the training data; labels are shown if there are any")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the HTML page")
    parser.add_argument("--samples", type=int, default=8, metavar="N", help="so many of the first rows (default 8)")
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
    write_page(
        options.folder,
        options.file,
        options.output,
        samples=options.samples,
        on_error=options.on_error,
        format=table_format(options),
        force=options.force,
        trust_code=options.trust_code,
    )
    say(f"explanation: {options.output}", options.output)
