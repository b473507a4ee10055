"""Graphs that a program holds, as rows of graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from sampleformer.data.graph.graph_format import Codes, GraphFormat
from sampleformer.data.graph.graph_rows import GraphRows
from sampleformer.data.graph.pyg import graphs_of_dataset
from sampleformer.data.graph.pyg_rows import rows_of_pyg
from sampleformer.errors import InputError, shown
from sampleformer.extras import require
from sampleformer.tables.memory import PATH, listed_samples

_PARTS = ("x", "edge_index", "edge_attr", "num_nodes")


def graph_rows_of(samples: Any, format: GraphFormat) -> GraphRows:
    """Graphs in memory, named by their position from 0.

    Args:
        samples: Sequence of graphs: each a `torch_geometric.data.Data`, or a mapping of ``edge_index`` ``(2, E)`` and,
            if there are any, ``x``, ``edge_attr`` and ``num_nodes``, as it holds them. Each edge of an undirected
            graph is listed in both directions.
        format: Format of the graphs of the training.

    Raises:
        InputError: if one is no graph, or unlike those of the training; it names its position.
    """
    samples = listed_samples(samples, "a graph of PyTorch Geometric, or a mapping of edge_index and x")
    data = [_data(position, each) if isinstance(each, Mapping) else each for position, each in enumerate(samples)]
    try:
        found = graphs_of_dataset(data)
    except InputError as error:
        raise InputError(f"{PATH}: {error}") from error
    for position, each in enumerate(found):
        if each.graph.directed and not format.directed:
            listed = "found edges that are listed in one direction, expected both, as the graphs of the training"
            raise InputError(f"{PATH}: graph {position}: {listed} are undirected")
    unlabelled = [replace(each, target=None, masks={}) for each in found]
    return rows_of_pyg(PATH, unlabelled, replace(format, codes=format.codes or _numbers_of_tables(format)))


def _numbers_of_tables(format: GraphFormat) -> Codes | None:
    """What the numbers of tables are when they come in arrays: whole ones are numbers still."""
    columns = (format.node_columns, format.edge_columns)
    if any(each is None or each.categories for each in columns):
        return None
    return tuple((False,) * len(each.numbers) for each in columns if each is not None)  # type: ignore[return-value]


def _data(position: int, sample: Mapping[str, Any]) -> Any:
    if unknown := sample.keys() - {*_PARTS}:
        found = shown(min(map(str, unknown)))
        raise InputError(f"{PATH}: graph {position}: found {found}, expected {', '.join(_PARTS)}")
    held = {name: value for name, value in sample.items() if value is not None}
    try:
        parts = {name: value if name == "num_nodes" else torch.as_tensor(value) for name, value in held.items()}
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:  # torch's words for what is no array
        found = "rows of unequal lengths, or no numbers"
        raise InputError(f"{PATH}: graph {position}: found {found}, expected arrays of numbers") from error
    if "edge_index" in parts and parts["edge_index"].numel() == 0:
        parts["edge_index"] = torch.zeros(2, 0, dtype=torch.int64)
    number = parts.get("num_nodes", 0)
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise InputError(f"{PATH}: graph {position}: num_nodes: found {shown(number)}, expected a whole number")
    return require("torch_geometric.data", "graph").Data(**parts)
