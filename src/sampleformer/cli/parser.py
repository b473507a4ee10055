"""Reads the arguments."""

import argparse
import csv
import importlib
from collections.abc import Sequence
from typing import NoReturn

from sampleformer import __version__
from sampleformer.errors import InputError, nearest
from sampleformer.extras import TRAINING, check_installed

VERBS = {
    "train": "train a model by a recipe, or on your own table",
    "compare": "train our model and simple ones on the same split, and say which is worth using",
    "blend": "make one run of several finished ones, and of simple models beside them",
    "evaluate": "score a run's model on its test part, or on a file",
    "predict": "write a run's predictions for the rows of a file",
    "explain": "show which tokens each head chose, as one HTML page",
    "serve": "answer requests with a run's model, and show a page to try it",
    "export": "write a run's model as an ONNX file, for programs without torch",
    "recipes": "list, show and copy the packaged recipes",
    "data": "list, prepare and check data",
    "bench": "measure speed and memory",
}
"""Each is a module of this package with EXAMPLE, add_arguments and run, imported when it is asked for."""
LIGHT_VERBS = ("serve", "export")
"""Verbs that run without the extra ``train``: they need their own."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are those of the package: one line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Raises InputError."""
        raise InputError(f"{message}; see `{self.prog} --help`")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of the verb that was asked for, with the verb's function as ``run``.

    Raises:
        InputError: if the verb or an argument is unknown or wrong.
        SystemExit: after ``--help`` and ``--version``.
    """
    parser = Parser(prog="sampleformer", description="Transformers that attend to a sample of their tokens.")
    parser.add_argument("--version", action="version", version=f"sampleformer {__version__}")
    add_example(parser, "sampleformer train digits\nsampleformer VERB --help")
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=Parser)
    asked = arguments[0] if arguments else ""
    if not asked:
        raise InputError(f"expected a verb: {', '.join(VERBS)}; see `sampleformer --help`")
    if asked and not asked.startswith("-") and asked not in VERBS:
        raise InputError(f"unknown verb {asked!r}; {nearest(asked, VERBS)}")
    for name in VERBS:
        if name == asked:
            _add_verb(verbs, name, asks_for_help=bool({"-h", "--help"} & set(arguments)))
        else:
            verbs.add_parser(name, help=VERBS[name])
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise InputError(f"unknown argument {unknown[0]!r}; {nearest(unknown[0], _long_options(verbs.choices[asked]))}")
    return options


def add_example(parser: argparse.ArgumentParser, example: str) -> None:
    """Ends the parser's help with examples, one a line."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "examples:\n" + "\n".join(f"  {line}" for line in example.strip().splitlines())


def add_common(parser: argparse.ArgumentParser) -> None:
    """Options of every verb that runs a model."""
    parser.add_argument("--device", default="cpu", help="cpu (the default), cuda, mps, or auto for the fastest")
    parser.add_argument("--quiet", action="store_true", help="no messages and progress bars, only the result")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """The option of every verb that reads a run folder."""
    parser.add_argument(
        "--trust-code",
        action="store_true",
        help="import the classes that the run folder names by import path: whoever wrote the folder can run any code",
    )


def split_names(values: list[str] | None) -> list[str] | None:
    """Names given one by one, or several between commas; one with a comma of its own in quotes, as in CSV files.

    Example:
        >>> split_names(["a, b", '"c, in cm",d'])
        ['a', 'b', 'c, in cm', 'd']
    """
    if values is None:
        return None
    return [name.strip() for row in csv.reader(values, skipinitialspace=True) for name in row or [""]]


def _add_verb(verbs: "argparse._SubParsersAction[Parser]", name: str, *, asks_for_help: bool) -> None:
    if name not in LIGHT_VERBS and not asks_for_help:  # help can be read before anything is installed
        check_installed(TRAINING, "train", f"sampleformer {name}")
    module = importlib.import_module(f"sampleformer.cli.{name}")
    parser = verbs.add_parser(name, help=VERBS[name], description=VERBS[name].capitalize() + ".", allow_abbrev=False)
    add_example(parser, module.EXAMPLE)
    module.add_arguments(parser)
    for each in (parser, *_inner(parser)):
        each.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=module.run)


def _inner(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parsers of a verb's actions."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [choice for action in inner for choice in action.choices.values()]


def _long_options(parser: argparse.ArgumentParser) -> list[str]:
    own = [option for option in parser._option_string_actions if option.startswith("--")]
    return own + [option for choice in _inner(parser) for option in _long_options(choice)]
