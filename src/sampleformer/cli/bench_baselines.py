"""The action ``bench baselines``."""

import argparse
import sys
from pathlib import Path

from sampleformer.bench import console
from sampleformer.cli.data_options import add_data_options, data_section
from sampleformer.cli.parser import add_common, split_names
from sampleformer.files import check_writable, write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The recipe and the data as for ``train``, and which baselines are trained how long."""
    parser.add_argument("recipe", nargs="?", help="a packaged recipe (see `sampleformer recipes ls`) or a .yaml file")
    add_data_options(parser)
    add = parser.add_argument_group("baselines").add_argument
    add(
        "--baselines",
        action="append",
        metavar="NAMES",
        help="fingerprints (molecules); all that the data suits if not given",
    )
    add("--seed", type=int, metavar="N", help="of the weights, the order of samples and augmentations")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting of the recipe, dotted names")
    add("--json", metavar="FILE", help="write the scores there; an existing file is replaced")
    add_common(parser)


def run(options: argparse.Namespace) -> None:
    """Trains the baselines on the data of the recipe, shows their scores, and writes them if asked to.

    Raises:
        InputError: if an option cannot be, or the data cannot be used.
    """
    from sampleformer.bench.baseline_settings import BaselineSettings
    from sampleformer.bench.baseline_table import baseline_notes, baseline_table
    from sampleformer.bench.baselines import train_baselines
    from sampleformer.recipes import request

    path = None if options.json is None else Path(options.json)
    if path is not None:
        check_writable(path, "--json")
    recipe = request(options.recipe, data=data_section(options), seed=options.seed, changes=options.set)
    settings = BaselineSettings(recipe)
    with console.progress() as watch:
        results = train_baselines(settings, split_names(options.baselines), sys.argv, watch)
    console.show([baseline_table(results), *baseline_notes(results)])
    if path is not None:
        write_json(path, results)
