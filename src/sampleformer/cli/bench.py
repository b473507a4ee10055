"""The verb ``bench``."""

import argparse

from sampleformer.bench import speed
from sampleformer.cli.parser import add_example

EXAMPLE = """
sampleformer bench speed --attentions samsa,full --lengths 1024,4096,16384 --json speed.json --plot speed.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    action = actions.add_parser("speed", help="time and memory of one layer against the number of tokens")
    add_example(action, EXAMPLE)
    speed.add_arguments(action)


def run(options: argparse.Namespace) -> None:
    """Measures."""
    speed.run(options)
