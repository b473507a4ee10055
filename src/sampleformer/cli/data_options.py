"""Options that describe the user's own data."""

import argparse
from typing import Any

from sampleformer.cli.parser import split_names
from sampleformer.settings import validate
from sampleformer.tables.format import TableFormat


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """What stands in the data section of a recipe, as options."""
    data = parser.add_argument_group("your own data")
    data.add_argument(
        "--data", metavar="PATH", help="a table (CSV, TSV, JSONL, Parquet), a folder of graphs or shapes, …"
    )
    data.add_argument(
        "--text", action="append", metavar="A,B", help="the column with the text, or several that make one text"
    )
    data.add_argument("--smiles", metavar="COLUMN", help="the column with molecules as SMILES")
    data.add_argument("--split", metavar="KIND", help="how molecules are split: random, or by their scaffold")
    data.add_argument("--cloud", metavar="COLUMN", help="the column with paths of point clouds or meshes")
    data.add_argument("--edges", metavar="FILE", help="graphs: a table of edges, with the columns source and target")
    data.add_argument("--nodes", metavar="FILE", help="graphs: a table of nodes, with the column node")
    data.add_argument("--graphs", metavar="FILE", help="graphs: a table of graphs, with the column graph")
    data.add_argument("--directed", action="store_true", default=None, help="graphs: edges lead from source to target")
    data.add_argument("--numbers", action="store_true", default=None, help="all other columns are numbers")
    data.add_argument(
        "--columns", action="append", metavar="A,B", help="only these columns are the numbers, or describe nodes"
    )
    data.add_argument(
        "--label",
        action="append",
        metavar="A,B",
        help="the column or columns to predict; of graphs also: link; of clouds: folder",
    )
    data.add_argument(
        "--features",
        action="append",
        metavar="A,B",
        help="columns with numbers or categories that describe each sample beside its text, molecule, graph or cloud",
    )
    data.add_argument(
        "--tokens",
        metavar="KIND|FILE",
        help="how a text is cut: words (if not given), characters, whitespace, bytes, or a tokenizer.json",
    )
    data.add_argument("--max-length", type=int, metavar="N", help="longer texts are cut after so many tokens")
    data.add_argument(
        "--task",
        metavar="TASK",
        help="classification, multilabel, regression or masked (no label is needed); else inferred",
    )
    data.add_argument("--valid", metavar="FILE|COLUMN", help="validation rows; else a tenth is split off")
    data.add_argument("--test", metavar="FILE|COLUMN", help="test rows; else a tenth is split off")
    data.add_argument("--on-error", metavar="stop|skip", help="what to do at a wrong row; stop if not given")
    add_format_options(data)


def add_format_options(parser: argparse._ActionsContainer) -> None:
    """How a table is written, where it does not say so itself."""
    for name, field in TableFormat.model_fields.items():
        parser.add_argument(f"--{name}", metavar=name.upper(), help=field.description)


def table_format(options: argparse.Namespace) -> TableFormat:
    """The format that the options say.

    Raises:
        InputError: if one of them has no meaning.
    """
    given = {name: getattr(options, name) for name in TableFormat.model_fields}
    return validate(TableFormat, given)


def data_section(options: argparse.Namespace) -> dict[str, Any]:
    """Arguments of the data's source; None where nothing was given."""
    return {
        "path": options.data,
        "text": _one_or_several(options.text),
        "smiles": options.smiles,
        "split": options.split,
        "cloud": options.cloud,
        "edges": options.edges,
        "nodes": options.nodes,
        "graphs": options.graphs,
        "directed": options.directed,
        "numbers": options.numbers,
        "columns": split_names(options.columns),
        "features": split_names(options.features),
        "label": _one_or_several(options.label),
        "tokens": options.tokens,
        "max_length": options.max_length,
        "task": options.task,
        "valid": options.valid,
        "test": options.test,
        "on_error": options.on_error,
        "format": table_format(options).model_dump(exclude_none=True) or None,
    }


def _one_or_several(values: list[str] | None) -> str | list[str] | None:
    names = split_names(values)
    return names[0] if names and len(names) == 1 else names
