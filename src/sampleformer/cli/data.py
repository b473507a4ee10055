"""The verb ``data``."""

from __future__ import annotations

import argparse
import inspect
import os
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampleformer.cli.data_options import add_data_options, data_section
from sampleformer.cli.output import show
from sampleformer.cli.parser import add_example
from sampleformer.data import SOURCES
from sampleformer.data.prepared import prepare
from sampleformer.data.source import Source
from sampleformer.data.summary import Summary, check
from sampleformer.errors import LONGEST_NAME, InputError, nearest, one_line
from sampleformer.recipes import names, request
from sampleformer.settings import Component, Settings, override, validate
from sampleformer.training.recipe import described
from sampleformer.training.starting import Start
from sampleformer.wording import count, number

if TYPE_CHECKING:
    from rich.table import Table

EXAMPLE = """
sampleformer data ls
sampleformer data prepare listops
sampleformer data prepare --data reviews.csv --text review --label sentiment -o prepared
sampleformer data check --data reviews.csv --text review --label sentiment
"""

LABELS_SHOWN = 20
_MOST_WORKERS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which data."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    ls = actions.add_parser("ls", help="list the kinds of data")
    add_example(ls, "sampleformer data ls")
    prepared = actions.add_parser(
        "prepare", help="download or generate data, or write it as shards that trainings map: data larger than memory"
    )
    add_example(
        prepared, "\n".join(EXAMPLE.strip().splitlines()[1:3]) + "\nsampleformer data prepare digits -o prepared"
    )
    prepared.add_argument("name", nargs="?", help="a kind of data (see `sampleformer data ls`), or a recipe")
    prepared.add_argument("-o", "--output", metavar="DIR", help="write shards into this new folder, or go on with it")
    prepared.add_argument("--workers", type=int, metavar="N", help="processes that make shards; the cores if not given")
    prepared.add_argument("--init-from", metavar="RUN", help="take vocabulary and scaling from this run")
    add_data_options(prepared)
    check = actions.add_parser("check", help="read data as a training would, and say what is in it")
    add_example(check, EXAMPLE.strip().splitlines()[-1] + "\nsampleformer data check digits")
    check.add_argument("name", nargs="?", help="a kind of data, or a recipe; not with --data alone")
    add_data_options(check)
    for action in (prepared, check):
        action.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="any setting of the data, or its descriptors",
        )
        action.add_argument("--quiet", action="store_true", help="no messages and progress bars, only the result")


def run(options: argparse.Namespace) -> None:
    """Lists, prepares or checks."""
    if options.action == "ls":
        from rich.table import Table

        table = Table()
        table.add_column("kind")
        table.add_column("what it is")
        for name, kind in SOURCES.items():
            table.add_row(name, (inspect.getdoc(kind) or "").splitlines()[0])
        show(table)
    elif options.action == "check":
        show(_summary_table(check(_source(_asked(options)))))
    elif options.output is not None:
        _write_shards(options)
    else:
        _fetch(options)


def _fetch(options: argparse.Namespace) -> None:
    """Downloads or generates what a source reads."""
    fetch = getattr(_source(_asked(options)), "prepare", None)
    if fetch is None:
        raise InputError(
            f"data prepare {options.name or options.data}: it is read as it is; give -o DIR to write it as shards"
        )
    print(f"{options.name}: {fetch()}")


def _write_shards(options: argparse.Namespace) -> None:
    """Writes the samples of a source as shards."""
    asked = _asked(options)
    source = _source(asked)
    if options.init_from is not None:
        Start.of(options.init_from).prepare(source)
    workers = min(os.cpu_count() or 1, _MOST_WORKERS) if options.workers is None else options.workers
    manifest = prepare(source, options.output, data=asked.data, descriptors=asked.descriptors, workers=workers)
    from rich.table import Table

    table = Table(title=f"{options.output}: {sum(each.bytes for each in manifest.shards):,} bytes")
    table.add_column("")
    table.add_column("samples", justify="right")
    for name, samples in manifest.samples.items():
        table.add_row(name, f"{samples:,}")
    show(table)
    print(f"train from it with: sampleformer train --data {shlex.quote(options.output)}")


class _Asked(Settings):
    """The data section that is asked for, and the descriptors of the samples."""

    data: Component
    descriptors: tuple[Component, ...] = ()


def _source(asked: _Asked) -> Source:
    source: Source = asked.data.build(SOURCES, "data")
    return described(source, asked.descriptors)


def _asked(options: argparse.Namespace) -> _Asked:
    """What the options ask for."""
    section: dict[str, Any] = {"name": options.name}
    descriptors: list[Any] = []
    asked = data_section(options)
    features = asked.pop("features", None)
    if options.name is None and not any(asked.get(name) for name in ("path", "edges", "nodes")):
        raise InputError(f"data {options.action}: expected a kind of data, a recipe, or --data FILE")
    if options.name in SOURCES:
        section |= {name: value for name, value in asked.items() if value is not None and name != "numbers"}
    elif options.name is not None and options.name not in names() and not str(options.name).endswith((".yaml", ".yml")):
        raise InputError(f"unknown data {options.name!r}; {nearest(options.name, [*SOURCES, *names()])}")
    else:
        recipe = request(options.name, data=asked)
        section = recipe.data.arguments | {"name": recipe.data.name}
        descriptors += recipe.descriptors
    values: dict[str, Any] = {"data": section, "descriptors": descriptors}
    for change in options.set:
        name, _, value = change.partition("=")
        values = override(values, name if name.partition(".")[0] in values else f"data.{name}", value)
    found = validate(_Asked, values)
    columns = [Component.model_validate({"name": "columns", "columns": features})] if features else []
    return _Asked(data=found.data, descriptors=(*found.descriptors, *columns))


def _summary_table(summary: Summary) -> Table:
    from rich.table import Table

    table = Table(title=f"{summary.task.name}, {_sizes(summary.inputs)}", caption=_left_out(summary))
    table.add_column("")
    for name in summary.parts:
        table.add_column(name, justify="right")
    parts = summary.parts.values()
    table.add_row("samples", *(f"{part.samples:,}" for part in parts))
    if summary.target_unit != "sample":
        table.add_row(f"{summary.target_unit}s with a target", *(f"{part.judged or 0:,}" for part in parts))
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
        table.add_row(f"mean of {one_line(name, LONGEST_NAME)}", *(number(part.means[name]) for part in parts))
    return table


def _sizes(inputs: Mapping[str, Any]) -> str:
    """What a model must know of its inputs, in words: of descriptors, of which it must know the bins, how many."""
    sizes = {**inputs, "descriptors": len(inputs["descriptors"])} if "descriptors" in inputs else inputs
    return ", ".join(f"{name} {size}" for name, size in sizes.items() if name != "gaps")


def _left_out(summary: Summary) -> str | None:
    counts = {
        ("wrong row skipped", "wrong rows skipped"): summary.skipped,
        ("text cut", "texts cut"): summary.truncated,
    }
    return ", ".join(count(found, *words) for words, found in counts.items() if found) or None
