"""The verb ``bench estimators``: how well each estimator of the choice's gradient trains."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sampleformer.bench import console
from sampleformer.errors import InputError
from sampleformer.files import write_bytes
from sampleformer.output_paths import check_writable

if TYPE_CHECKING:
    from sampleformer.bench.estimator_settings import EstimatorSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``bench estimators`` to a parser."""
    add = parser.add_argument
    add("--parts", default="bias,task,recipe", metavar="NAMES", help="what to measure (default: %(default)s)")
    add(
        "--estimators",
        default=None,
        metavar="NAMES",
        help="with +annealed, +off, +widened or +cooled behind a name for a schedule, +entropy, +load or +mass for a "
        "term of the loss, and full for full attention (default: all estimators, hard with each of these, and full)",
    )
    add("--lengths", default=None, metavar="N,N", help="tokens of the controlled task (default: 128,512,2048)")
    add("--seeds", type=int, default=None, metavar="S", help="of each cell, from 0 on (default: 5)")
    add("--steps", type=int, default=None, metavar="N", help="of the controlled task (default: 300)")
    add("--draws", type=int, default=None, metavar="D", help="of the noise, for the bias (default: 10000)")
    add("--recipe", default="digits", metavar="RECIPE", help="of the real task (default: %(default)s)")
    add("--recipe-steps", type=int, default=None, metavar="N", help="of each of its trainings (default: 450)")
    add("--recipe-sampled", type=int, default=8, metavar="K", help="k of them (default: %(default)s)")
    add("--quick", action="store_true", help="a few minutes to see that it runs: fewer seeds, steps and lengths")
    add("--json", default=None, metavar="FILE", help="where results go; what is in it already is not made again")
    add("--plot", default=None, metavar="FILE.png", help="draw them there; an existing file is replaced")


def run(arguments: argparse.Namespace) -> None:
    """Measures and trains what is not in the file yet, prints the tables, and draws.

    Raises:
        InputError: if an option cannot be; before anything is measured.
    """
    from sampleformer.bench.estimator_file import StudyFile
    from sampleformer.bench.estimator_settings import EstimatorSettings
    from sampleformer.bench.estimator_study import run_study
    from sampleformer.bench.estimator_table import study_blocks

    settings = EstimatorSettings.read(arguments)
    for option, path in (("--json", settings.json), ("--plot", settings.plot)):
        if path is not None:
            check_writable(path, option)
    if "recipe" in settings.parts:
        _check_recipe(settings)
    found = StudyFile(settings.json)
    with console.progress() as watch:
        run_study(settings, found, watch)
    console.show(study_blocks(settings, found))
    if settings.plot is not None:
        from sampleformer.bench.estimator_plot import draw_study

        write_bytes(settings.plot, draw_study(settings, found))


def _check_recipe(settings: EstimatorSettings) -> None:
    from sampleformer.attention import SamsaAttention
    from sampleformer.bench.estimator_recipe import variant_recipe
    from sampleformer.training.choice import check_choice

    for variant in settings.variants:
        recipe = variant_recipe(variant, settings.recipe, settings.recipe_sampled, 0, settings.recipe_steps)
        if variant.choice is None:
            continue
        found = getattr(recipe.model, "attention", recipe.model).name
        if found != "samsa":
            raise InputError(f"--recipe: the attention of {settings.recipe} is {found!r}, expected one that is 'samsa'")
        try:  # what `train` would find out hours later
            check_choice(recipe.training, SamsaAttention(1, 1, choice=variant.choice), "samsa")
        except InputError as error:
            raise InputError(f"--estimators: {variant.name!r} cannot train a recipe: {error}") from error
