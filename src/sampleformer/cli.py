"""The command line: reads the arguments, calls the package, prints what came out."""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from sampleformer.errors import InputError, nearest

log = logging.getLogger("sampleformer")


@dataclass(frozen=True)
class Verb:
    """One word after ``sampleformer``.

    Args:
        help: one line.
        example: of its use.
        add_arguments: gives a parser its arguments.
        run: does the work.
    """

    help: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


class Parser(argparse.ArgumentParser):
    """A parser whose errors are those of the package: one line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program.

    Args:
        arguments: after the program's name. None: those of this process.

    Returns:
        The exit code: 0, 2 if what the user gave cannot be used, 130 if the user stopped it.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    try:
        options = _parse(arguments)
        _set_up_messages(quiet=getattr(options, "quiet", False))
        options.run(options)
    except InputError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"interrupted{f': {stop}' if str(stop) else ''}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the output, such as `head`, has gone
        sys.stderr.close()
        return 0
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    from sampleformer import __version__

    parser = Parser(prog="sampleformer", description="Transformers that attend to a sample of their tokens.")
    parser.add_argument("--version", action="version", version=f"sampleformer {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=Parser)
    verb_parser: argparse.ArgumentParser = parser
    asked = arguments[0] if arguments else ""
    if asked and not asked.startswith("-") and asked not in VERBS:
        raise InputError(f"unknown verb {asked!r}; {nearest(asked, VERBS)}")
    for name, verb in VERBS.items():
        added = verbs.add_parser(
            name,
            help=verb.help,
            description=verb.help,
            epilog=f"example:\n  {verb.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name == asked:  # the others are not worth their imports
            verb.add_arguments(added)
            added.add_argument("--debug", action="store_true", help="show the traceback of an error")
            added.set_defaults(run=verb.run)
            verb_parser = added
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        known = [option for action in verb_parser._actions for option in action.option_strings if option[:2] == "--"]
        raise InputError(f"unknown argument {unknown[0]!r}; {nearest(unknown[0], known)}")
    return options


def _set_up_messages(*, quiet: bool) -> None:
    class CurrentError(logging.StreamHandler[Any]):
        """Writes to whatever standard error is now, so that a progress bar can move out of the way."""

        def emit(self, record: logging.LogRecord) -> None:
            self.setStream(sys.stderr)
            super().emit(record)

    log.handlers = [CurrentError()]
    log.propagate = False
    log.setLevel(logging.WARNING if quiet else logging.INFO)


def _print_table(table: Any) -> None:
    from rich.console import Console

    Console().print(table)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="cpu (the default), cuda, mps, or auto for the fastest")
    parser.add_argument("--quiet", action="store_true", help="no messages and progress bars, only the result")


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", nargs="?", help="a packaged recipe (see `sampleformer recipes ls`) or a .yaml file")
    data = parser.add_argument_group("your own data")
    data.add_argument("--data", metavar="FILE", help="a table: CSV, TSV, JSONL or Parquet; also .gz")
    data.add_argument("--text", metavar="COLUMN", help="the column with the text")
    data.add_argument("--numbers", action="store_true", default=None, help="the other columns are numbers")
    data.add_argument("--columns", action="append", metavar="A,B", help="only these columns are the numbers")
    data.add_argument("--label", action="append", metavar="A,B", help="the column or columns to predict")
    data.add_argument("--tokens", help="how a text is cut: bytes, characters or words")
    data.add_argument("--max-length", type=int, metavar="N", help="longer texts are cut after so many tokens")
    data.add_argument("--task", help="classification, multilabel or regression; inferred if not given")
    data.add_argument("--valid", metavar="FILE|COLUMN", help="validation rows; without it, a tenth is split off")
    data.add_argument("--test", metavar="FILE|COLUMN", help="test rows; without it, a tenth is split off")
    data.add_argument("--on-error", metavar="stop|skip", help="what to do at a wrong row")
    training = parser.add_argument_group("training")
    training.add_argument("--output", metavar="DIR", help="the run folder; runs/<name>-<time> if not given")
    training.add_argument("--epochs", type=int, metavar="N", help="passes over the training part")
    training.add_argument("--steps", type=int, metavar="N", help="optimiser steps, in place of epochs")
    training.add_argument("--seed", type=int, metavar="N", help="of the weights, the order of samples and all noise")
    training.add_argument("--attention", metavar="NAME", help="samsa or full, or the import path of a class")
    training.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting, dotted names")
    training.add_argument("--resume", action="store_true", help="go on from the last checkpoint of --output")
    _add_common(parser)


def _split_names(values: list[str] | None) -> list[str] | None:
    return None if values is None else [name for value in values for name in value.split(",")]


def _train(options: argparse.Namespace) -> None:
    from sampleformer.training import RunFolder, train

    recipe = _asked_recipe(options)
    output = options.output or _free_name(recipe.name)
    folder = RunFolder(output)
    if not (options.resume and folder.results.exists()):
        try:
            train(
                recipe,
                output,
                resume=options.resume,
                device=options.device,
                command=sys.argv,
                quiet=options.quiet,
            )
        except KeyboardInterrupt as stop:
            go_on = f"go on with: sampleformer train --resume --output {output}"
            raise KeyboardInterrupt(go_on if folder.config.exists() else "nothing was written") from stop
    if not folder.report.exists():
        from sampleformer.explain import write_report

        write_report(folder.path)
    _show_run(folder)


def _asked_recipe(options: argparse.Namespace) -> Any:
    from sampleformer import recipes
    from sampleformer.training import RunFolder

    labels, columns = _split_names(options.label), _split_names(options.columns)
    data = {
        "path": options.data,
        "text": options.text,
        "numbers": options.numbers,
        "columns": columns,
        "label": labels[0] if labels and len(labels) == 1 else labels,
        "tokens": options.tokens,
        "max_length": options.max_length,
        "task": options.task,
        "valid": options.valid,
        "test": options.test,
        "on_error": options.on_error,
    }
    if options.resume and not options.output:
        raise InputError("--resume: expected --output DIR, the run folder to go on with")
    recipe = options.recipe
    if options.resume and recipe is None and options.data is None:
        recipe = str(RunFolder(options.output).checked().config)
    return recipes.request(
        recipe,
        data=data,
        epochs=options.epochs,
        steps=options.steps,
        seed=options.seed,
        attention=options.attention,
        changes=options.set,
    )


def _free_name(name: str) -> Path:
    """A run folder that does not exist yet."""
    stem = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    paths = (Path("runs") / (f"{stem}-{number}" if number else stem) for number in itertools.count())
    return next(path for path in paths if not path.exists())


def _show_run(folder: Any) -> None:
    from sampleformer.training.summary import run_lines, run_table

    results = folder.read_results()
    _print_table(run_table(results))
    for line in run_lines(folder, results):
        print(line)


VERBS = {
    "train": Verb(
        "Train a model by a recipe, or on your own table.",
        "sampleformer train digits\n"
        "  sampleformer train --data reviews.csv --text review --label sentiment --attention samsa\n"
        "  sampleformer train --resume --output runs/reviews-20260101-120000",
        _add_train,
        _train,
    ),
}
