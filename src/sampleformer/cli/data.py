"""The verb ``data``."""

import argparse
import inspect

from rich.table import Table

from sampleformer.cli.data_options import add_data_options, data_section
from sampleformer.cli.output import show
from sampleformer.cli.parser import add_example
from sampleformer.data import SOURCES
from sampleformer.data.source import Source
from sampleformer.data.summary import Summary, check
from sampleformer.errors import LONGEST_NAME, InputError, nearest, one_line
from sampleformer.recipes import names, request
from sampleformer.settings import Component, override
from sampleformer.training.recipe import described

EXAMPLE = """
sampleformer data ls
sampleformer data prepare listops
sampleformer data check --data reviews.csv --text review --label sentiment
"""

LABELS_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which data."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    ls = actions.add_parser("ls", help="list the kinds of data")
    add_example(ls, "sampleformer data ls")
    prepare = actions.add_parser("prepare", help="download or generate the data of a kind or a recipe")
    add_example(prepare, "sampleformer data prepare listops\nsampleformer data prepare listops --set train=1000")
    prepare.add_argument("name", help="a kind of data (see `sampleformer data ls`), or a recipe")
    check = actions.add_parser("check", help="read data as a training would, and say what is in it")
    add_example(check, EXAMPLE.strip().splitlines()[-1] + "\nsampleformer data check digits")
    check.add_argument("name", nargs="?", help="a kind of data, or a recipe; not with --data alone")
    add_data_options(check)
    for action in (prepare, check):
        action.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting of the data")
        action.add_argument("--quiet", action="store_true", help="no messages and progress bars, only the result")


def run(options: argparse.Namespace) -> None:
    """Lists, prepares or checks."""
    if options.action == "ls":
        table = Table()
        table.add_column("kind")
        table.add_column("what it is")
        for name, kind in SOURCES.items():
            table.add_row(name, (inspect.getdoc(kind) or "").splitlines()[0])
        show(table)
    elif options.action == "check":
        show(_summary_table(check(_source(options))))
    else:
        source = _source(options)
        prepare = getattr(source, "prepare", None)
        if prepare is None:
            raise InputError(f"data prepare {options.name}: there is nothing to prepare, it is read as it is")
        print(f"{options.name}: {prepare()}")


def _source(options: argparse.Namespace) -> Source:
    section: dict[str, object] = {"name": options.name}
    asked = data_section(options) if options.action == "check" else {}
    features = asked.pop("features", None)
    if options.name in SOURCES:
        section |= {name: value for name, value in asked.items() if value is not None and name != "numbers"}
    elif options.name is not None and options.name not in names() and not str(options.name).endswith((".yaml", ".yml")):
        raise InputError(f"unknown data {options.name!r}; {nearest(options.name, [*SOURCES, *names()])}")
    else:
        component = request(options.name, data=asked).data
        section = component.arguments | {"name": component.name}
    for change in options.set:
        name, _, value = change.removeprefix("data.").partition("=")
        section = override(section, name, value)
    source = Component.model_validate(section).build(SOURCES, "data")
    return described(source, [Component.model_validate({"name": "columns", "columns": features})] if features else [])


def _summary_table(summary: Summary) -> Table:
    sizes = ", ".join(f"{name} {size}" for name, size in summary.inputs.items())
    table = Table(title=f"{summary.task.name}, {sizes}", caption=_left_out(summary))
    table.add_column("")
    for name in summary.parts:
        table.add_column(name, justify="right")
    parts = summary.parts.values()
    table.add_row("samples", *(f"{part.samples:,}" for part in parts))
    table.add_row("tokens, fewest", *(f"{part.shortest:,}" for part in parts))
    table.add_row("tokens, median", *(f"{part.median:,.0f}" for part in parts))
    table.add_row("tokens, most", *(f"{part.longest:,}" for part in parts))
    table.add_row("empty", *(f"{part.empty:,}" for part in parts))
    labels = list(summary.parts["train"].counts)
    kind = summary.task.output_noun
    for label in labels[:LABELS_SHOWN]:
        table.add_row(f"{kind} {one_line(label, LONGEST_NAME)}", *(f"{part.counts.get(label, 0):,}" for part in parts))
    if len(labels) > LABELS_SHOWN:
        table.add_row(f"{len(labels) - LABELS_SHOWN} more", *("" for _ in parts))
    if summary.parts["train"].majority_share is not None:
        table.add_row("most frequent class", *(f"{part.majority_share or 0:.1%}" for part in parts))
    for name in summary.parts["train"].means:
        table.add_row(f"mean of {one_line(name, LONGEST_NAME)}", *(f"{part.means[name]:.4g}" for part in parts))
    return table


def _left_out(summary: Summary) -> str | None:
    counts = {"wrong rows skipped": summary.skipped, "texts cut": summary.truncated}
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or None
