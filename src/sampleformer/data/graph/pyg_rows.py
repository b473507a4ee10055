"""Graphs of PyTorch Geometric as the rows of a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sampleformer.data.graph.graph_format import GraphFormat
from sampleformer.data.graph.graph_rows import GraphRows, graph_rows
from sampleformer.data.graph.pyg import PygGraph
from sampleformer.data.graph.raw_graph import raw_graphs
from sampleformer.data.table import Table
from sampleformer.errors import InputError


def rows_of_pyg(path: str, graphs: list[PygGraph], format: GraphFormat | None = None) -> GraphRows:
    """Graphs of PyTorch Geometric; ``y`` becomes columns of the graphs or, if it has an entry a node, of the nodes.

    Args:
        path: names the graphs in messages.
        graphs: the graphs.
        format: that of other graphs, which these must be like. None: there are none.

    Raises:
        InputError: if the graphs do not carry the same features, or ``y`` fits neither graphs nor nodes.
    """
    format = format or GraphFormat()
    try:
        raw, codes = raw_graphs([each.graph for each in graphs], format.codes, directed=format.directed)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    format = replace(format, codes=codes)
    targets = [each.target for each in graphs if each.target is not None]
    if len(targets) < len(graphs):
        return graph_rows(path, raw, {}, format=format)
    of_nodes = all(np.ndim(y) > 0 and len(y) == graph.order for y, graph in zip(targets, raw, strict=True))
    several_nodes = any(graph.order > 1 for graph in raw)
    if of_nodes and several_nodes:
        columns = target_columns(np.concatenate([np.asarray(target) for target in targets]))
        columns |= _split_of_masks(graphs, columns)
        nodes = Table(path, columns, range(1, len(columns["y" if "y" in columns else "y0"]) + 1))
        return graph_rows(path, raw, {}, nodes, format)
    try:
        values = np.stack([np.asarray(target).reshape(-1) for target in targets])
    except ValueError as error:
        raise InputError(
            f"{path}: y has different lengths in different graphs, expected one a graph or a node"
        ) from error
    return graph_rows(path, raw, target_columns(values), format=format)


def _split_of_masks(graphs: list[PygGraph], columns: dict[str, list]) -> dict[str, list]:
    """The column "split" of masks; nodes that no mask has lose their targets. Of several splits the first counts."""
    if not any(graph.masks for graph in graphs):
        return {}
    split = np.full(sum(graph.graph.order for graph in graphs), None, dtype=object)
    for name in ("test", "valid", "train"):
        masks = [graph.masks.get(name, np.zeros(graph.graph.order, dtype=bool)) for graph in graphs]
        split[np.concatenate([mask if mask.ndim == 1 else mask[:, 0] for mask in masks])] = name
    for place in np.flatnonzero([each is None for each in split]):
        for values in columns.values():
            values[place] = None
    return {"split": split.tolist()}


def target_columns(values: np.ndarray) -> dict[str, list]:
    """Columns y, or y0, y1, … of several targets."""
    if values.ndim == 1 or values.shape[1] == 1:
        return {"y": values.reshape(-1).tolist()}
    return {f"y{place}": column.tolist() for place, column in enumerate(values.T)}
