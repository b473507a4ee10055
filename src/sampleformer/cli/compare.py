"""The verb ``compare``."""

import argparse
import itertools
import sys
from datetime import datetime
from pathlib import Path

from sampleformer.attention import ATTENTIONS
from sampleformer.cli.data_options import add_data_options, data_section
from sampleformer.cli.output import show
from sampleformer.cli.parser import add_common, add_trust, split_names
from sampleformer.cli.train import is_of_a_run
from sampleformer.recipes import request
from sampleformer.registry import trusted_code

EXAMPLE = """
sampleformer compare --data reviews.csv --text review --label sentiment --minutes 5
sampleformer compare --data molecules.csv --smiles smiles --label active --seeds 3 -o comparison
sampleformer compare digits --simple linear,boosting
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The recipe and the data as for ``train``, and what is compared."""
    parser.add_argument("recipe", nargs="?", help="a packaged recipe (see `sampleformer recipes ls`) or a .yaml file")
    add_data_options(parser)
    compared = parser.add_argument_group("comparison")
    compared.add_argument(
        "-o", "--output", metavar="DIR", help="folder for page, file and runs; comparisons/<name>-<time> if not given"
    )
    compared.add_argument(
        "--simple", action="append", metavar="A,B", help="simple models; all that the data suit if not given"
    )
    compared.add_argument("--seeds", type=int, default=1, metavar="N", help="trainings of each model; 1 if not given")
    compared.add_argument("--epochs", type=int, metavar="N", help="of networks: passes over the training part")
    compared.add_argument("--steps", type=int, metavar="N", help="of networks: optimiser steps, in place of epochs")
    compared.add_argument("--minutes", type=float, metavar="M", help="time of each training, fitted to it")
    compared.add_argument("--seed", type=int, metavar="N", help="the first seed; the split has its own")
    compared.add_argument("--model", metavar="NAME", help="our side: another model than the recipe's, as for train")
    compared.add_argument("--attention", metavar="NAME", help=f"our side: {', '.join(ATTENTIONS)} or auto")
    compared.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting, dotted names")
    add_trust(parser)
    add_common(parser)


def run(options: argparse.Namespace) -> None:
    """Trains all models, writes the page and the file, and shows the table and the verdict.

    Raises:
        InputError: if an option cannot be, or the data cannot be used.
    """
    with trusted_code(options.trust_code or not is_of_a_run(options.recipe)):
        _run(options)


def _run(options: argparse.Namespace) -> None:
    from sampleformer.compare import compare  # draws, and so imports what draws
    from sampleformer.compare.comparison import PAGE
    from sampleformer.compare.table import comparison_lines, comparison_table

    recipe = request(
        options.recipe,
        data=data_section(options),
        epochs=options.epochs,
        steps=options.steps,
        minutes=options.minutes,
        seed=options.seed,
        model=options.model,
        attention=options.attention,
        changes=options.set,
    )
    folder = Path(options.output) if options.output else _free_name(recipe.name)
    try:
        results = compare(
            recipe,
            folder,
            simple=split_names(options.simple),
            seeds=options.seeds,
            device=options.device,
            command=sys.argv,
            quiet=options.quiet,
        )
    except KeyboardInterrupt as stop:
        begun = f"{folder} holds the runs that had begun, and no comparison"
        raise KeyboardInterrupt(begun if folder.exists() else "nothing was written") from stop
    show(comparison_table(results))
    print(*comparison_lines(results), sep="\n")
    print(f"page: {folder / PAGE}")


def _free_name(name: str) -> Path:
    """A folder that does not exist yet."""
    stem = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    paths = (Path("comparisons") / (f"{stem}-{number}" if number else stem) for number in itertools.count())
    return next(path for path in paths if not path.exists())
