"""The verb ``train``."""

import argparse
import glob
import itertools
import logging
import sys
from datetime import datetime
from pathlib import Path

from sampleformer.attention import ATTENTIONS
from sampleformer.cli.data_options import add_data_options, data_section
from sampleformer.cli.output import show, write_report
from sampleformer.cli.parser import add_common, add_trust
from sampleformer.errors import InputError
from sampleformer.models import MODELS
from sampleformer.recipes import Recipe, request
from sampleformer.registry import trusted_code
from sampleformer.training import RunFolder, train
from sampleformer.training.devices import pick_device
from sampleformer.training.launch import launch, needs_launch
from sampleformer.training.lost import begun_output, watched
from sampleformer.training.processes import join
from sampleformer.training.settings import TrainingSettings
from sampleformer.training.summary import run_lines, run_table

EXAMPLE = """
sampleformer train digits
sampleformer train --data reviews.csv --text review --label sentiment --attention samsa
sampleformer train --data reviews.csv --text review --label sentiment --minutes 5
sampleformer train listops-small --seed 1 --set model.attention.sampled=64
sampleformer train --resume --output runs/reviews-20260101-120000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The recipe, the user's own data, and what of the recipe is changed."""
    parser.add_argument("recipe", nargs="?", help="a packaged recipe (see `sampleformer recipes ls`) or a .yaml file")
    add_data_options(parser)
    training = parser.add_argument_group("training")
    training.add_argument("-o", "--output", metavar="DIR", help="the run folder; runs/<name>-<time> if not given")
    training.add_argument("--epochs", type=int, metavar="N", help="passes over the training part")
    training.add_argument("--steps", type=int, metavar="N", help="optimiser steps, in place of epochs")
    training.add_argument("--minutes", type=float, metavar="M", help="time for all of it; the steps are fitted to it")
    training.add_argument(
        "--devices", type=int, metavar="N", help="processes that share each step, on GPUs one for each"
    )
    training.add_argument("--hosts", type=int, metavar="N", help="hosts, each with as many processes")
    training.add_argument("--seed", type=int, metavar="N", help="of the weights, the order of samples and all noise")
    trained = ", ".join(name for name, kind in MODELS.items() if kind.trained)
    training.add_argument(
        "--model",
        metavar="NAME",
        help=f"{trained} (the recipe's if not given), or the import path of a class",
    )
    training.add_argument(
        "--attention", metavar="NAME", help=f"{', '.join(ATTENTIONS)} or auto, or the import path of a class"
    )
    training.add_argument(
        "--init-from", metavar="RUN", help="a finished run to start from: its weights, and its vocabulary and scaling"
    )
    training.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting, dotted names")
    training.add_argument("--resume", action="store_true", help="go on from the last checkpoint of --output")
    add_trust(parser)
    add_common(parser)


def run(options: argparse.Namespace) -> int:
    """Trains, writes the report and shows the scores; a finished run is only shown. The exit code."""
    read_back = options.resume or is_of_a_run(options.recipe)
    with trusted_code(options.trust_code or not read_back):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    recipe = _recipe(options)
    if needs_launch(recipe.training):
        return launch(recipe.training, sys.argv[1:])
    processes = join(recipe.training, pick_device(options.device))
    with watched(processes):
        output = processes.agreed(options.output or _output(recipe.name))
    folder = RunFolder(output)
    if not processes.is_first:
        logging.getLogger("sampleformer").setLevel(logging.WARNING)
    _train(recipe, folder, options)
    if not processes.is_first:
        return 0
    if not folder.report.exists():  # a finished training that was stopped before its report was written
        write_report(folder, None)
    results = folder.read_results()
    assert results is not None
    show(run_table(results))
    print(*run_lines(folder, results), sep="\n")
    return 0


def _train(recipe: Recipe, folder: RunFolder, options: argparse.Namespace) -> None:
    try:
        train(
            recipe,
            folder.path,
            resume=options.resume,
            device=options.device,
            command=sys.argv,
            quiet=options.quiet,
            trust_code=options.trust_code,
            finished=lambda folder, splits, predictions: write_report(folder, splits.test),
        )
    except KeyboardInterrupt as stop:
        raise type(stop)(_what_is_left(folder, options.devices, recipe.training)) from stop


def _what_is_left(folder: RunFolder, devices: int | None, settings: TrainingSettings) -> str:
    """What a training that was stopped has saved, and how it goes on."""
    if not folder.config.exists():
        return "nothing was written"
    command = f"sampleformer train --resume --output {folder.path}{f' --devices {devices}' if devices else ''}"
    for name in ("strategy", "token_shards"):  # which a run does not keep
        value = getattr(settings, name)
        command += f" --set training.{name}={value}" if value != TrainingSettings.model_fields[name].default else ""
    if not any(path.exists() for path in (folder.last_checkpoint, folder.previous_checkpoint)):
        return f"no check was reached and nothing of the training is saved; from step 0 again with: {command}"
    return f"go on with: {command}"


def _recipe(options: argparse.Namespace) -> Recipe:
    recipe = options.recipe
    if options.resume and not options.output:
        raise InputError("--resume: expected --output DIR, the run folder to go on with")
    if options.resume and recipe is None and options.data is None:
        recipe = str(RunFolder(options.output).checked().config)
    return request(
        recipe,
        data=data_section(options),
        epochs=options.epochs,
        steps=options.steps,
        minutes=options.minutes,
        devices=options.devices,
        hosts=options.hosts,
        seed=options.seed,
        model=options.model,
        attention=options.attention,
        init_from=options.init_from,
        changes=options.set,
    )


def is_of_a_run(recipe: str | None) -> bool:
    """Whether a recipe is the file of a run folder, which may be a stranger's, and not one of the user."""
    return recipe is not None and RunFolder(Path(recipe).parent).run_file.exists()


def _output(name: str) -> Path:
    """The run folder of a training that torchrun starts again, or one that does not exist yet."""
    begun = begun_output(sorted(Path("runs").glob(f"{glob.escape(name)}-*"), reverse=True))
    return _free_name(name) if begun is None else begun


def _free_name(name: str) -> Path:
    """A run folder that does not exist yet."""
    stem = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    paths = (Path("runs") / (f"{stem}-{number}" if number else stem) for number in itertools.count())
    return next(path for path in paths if not path.exists())
