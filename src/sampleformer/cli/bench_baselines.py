"""The action ``bench baselines``."""

import argparse
import math
import sys
from pathlib import Path

from sampleformer.bench import console
from sampleformer.cli.data_options import add_data_options, data_section
from sampleformer.cli.parser import add_common, split_names
from sampleformer.errors import InputError
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
        help="gin, fingerprints (molecules), pointnet, dgcnn (point clouds); all that the data suits if not given",
    )
    add("--steps", type=int, metavar="N", help="optimiser steps of each network; as the recipe has it if not given")
    add("--seconds", type=float, metavar="S", help="wall-clock time of each network's training, in place of steps")
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
    from sampleformer.training.devices import pick_device

    seconds, path = options.seconds, None if options.json is None else Path(options.json)
    if seconds is not None and not (seconds > 0 and math.isfinite(seconds)):
        raise InputError(f"--seconds: {seconds}, expected more than 0")
    if seconds is not None and options.steps is not None:
        raise InputError("--steps and --seconds: expected one of them, got both")
    if path is not None:
        check_writable(path, "--json")
    recipe = request(
        options.recipe, data=data_section(options), steps=options.steps, seed=options.seed, changes=options.set
    )
    settings = BaselineSettings(recipe, seconds, pick_device(options.device))
    with console.progress() as watch:
        results = train_baselines(settings, split_names(options.baselines), sys.argv, watch)
    console.show([baseline_table(results), *baseline_notes(results)])
    if path is not None:
        write_json(path, results)
