"""The verb ``recipes``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sampleformer.cli.output import show
from sampleformer.cli.parser import add_example
from sampleformer.errors import InputError, nearest
from sampleformer.files import write_text
from sampleformer.output_paths import check_output
from sampleformer.recipes import names, read, text

if TYPE_CHECKING:
    from rich.table import Table

EXAMPLE = """
sampleformer recipes ls
sampleformer recipes show digits
sampleformer recipes cp digits my.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which recipe."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    ls = actions.add_parser("ls", help="list the packaged recipes")
    add_example(ls, "sampleformer recipes ls")
    shown = actions.add_parser("show", help="print a recipe")
    add_example(shown, "sampleformer recipes show digits")
    copied = actions.add_parser("cp", help="copy a recipe to a file of your own")
    add_example(copied, "sampleformer recipes cp digits my.yaml\nsampleformer train my.yaml")
    for action in (shown, copied):
        action.add_argument("recipe", help="name of a packaged recipe")
    copied.add_argument("file", help="where the copy goes; an existing file is not overwritten")


def run(options: argparse.Namespace) -> None:
    """Lists, shows or copies."""
    if options.action == "ls":
        show(_table())
        return
    if options.recipe not in names():
        raise InputError(f"unknown recipe {options.recipe!r}; {nearest(options.recipe, names())}")
    if options.action == "show":
        print(text(options.recipe), end="")
        return
    path = Path(options.file)
    if path.is_dir():
        path = path / f"{options.recipe}.yaml"
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"{path}: expected a name that ends in .yaml, by which `train` knows a recipe")
    check_output(path)
    write_text(path, text(options.recipe))
    print(path)


def _table() -> Table:
    from rich.table import Table

    table = Table()
    for title in ("recipe", "what it is", "data", "attention"):
        table.add_column(title)
    for name in names():
        values = read(name)
        table.add_row(name, values["description"], values["data"]["name"], values["model"]["attention"]["name"])
    return table
