"""Graphs of PyTorch Geometric as the rows of a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sampleformer.data.graph.graph_format import GraphFormat
from sampleformer.data.graph.graph_rows import GraphRows, graph_rows
from sampleformer.data.graph.pyg import PygGraph
from sampleformer.data.graph.raw_graph import raw_graphs
from sampleformer.errors import InputError, listed
from sampleformer.tables.table import Table


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
    _check_alike(path, graphs)
    # Graphs with different numbers of features are found where they are put together.
    nodes, edges = (tuple(map(all, zip(*(each.integers[of] for each in graphs), strict=False))) for of in (0, 1))
    try:
        raw, codes = raw_graphs(
            [each.graph for each in graphs], format.codes, directed=format.directed, integers=(nodes, edges)
        )
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    format = replace(format, codes=codes)
    of_nodes, columns = _targets(path, graphs)
    table = None
    if of_nodes:
        columns |= _split_of_masks(graphs, columns)
        table = Table(path, columns, range(1, sum(graph.order for graph in raw) + 1))
    used = [f"{path}: {_words(graphs, masks_used=of_nodes)}"]
    return graph_rows(path, raw, {} if table is not None else columns, table, format, used)


def _check_alike(path: str, graphs: list[PygGraph]) -> None:
    """That all graphs have the same attributes."""
    for of in ("nodes", "edges"):
        kinds: dict[tuple[str, ...], int] = {}
        for number, graph in enumerate(graphs):
            kinds.setdefault(getattr(graph, of), number)
        if len(kinds) > 1:
            (one, first), (other, second) = list(kinds.items())[:2]
            raise InputError(
                f"{path}: the {of} of graph {first} carry {listed(one) or 'nothing'}, those of graph {second} "
                f"{listed(other) or 'nothing'}, expected the same of all"
            )


def _words(graphs: list[PygGraph], *, masks_used: bool) -> str:
    unused = {name for graph in graphs for name in graph.unused}
    splits = max((mask.shape[1] for graph in graphs for mask in graph.masks.values() if mask.ndim == 2), default=0)
    words = f"nodes: {listed(graphs[0].nodes) or 'nothing'}; edges: {listed(graphs[0].edges) or 'nothing'}"
    if not masks_used and any(graph.masks for graph in graphs):
        unused |= {f"masks of {name} nodes" for graph in graphs for name in graph.masks}
    elif splits > 1:
        words += f"; of {splits} splits the first"
    return words + (f"; not used: {listed(sorted(unused))}" if unused else "")


def _targets(path: str, graphs: list[PygGraph]) -> tuple[bool, dict[str, list]]:
    """Whether ``y`` is of nodes, in place of graphs; and its columns, None where a graph has none."""
    orders = [graph.graph.order for graph in graphs]
    known = [(graph.target, order) for graph, order in zip(graphs, orders, strict=True) if graph.target is not None]
    if not known:
        return False, {}
    of_nodes = all(y.ndim > 0 and len(y) == order for y, order in known) and max(orders) > 1
    blocks: list[np.ndarray | None] = []
    for number, graph in enumerate(graphs):
        y = graph.target
        shape = () if y is None else y.shape
        if y is not None and (y.ndim > 2 or (y.ndim == 2 and not of_nodes and 1 not in shape)):
            expected = "(nodes,), (nodes, targets) or (1, targets)"
            raise InputError(f"{path}: y of graph {number} has shape {shape}, expected {expected}")
        if y is not None:
            y = y.reshape(1, y.size) if not of_nodes else y[:, None] if y.ndim == 1 else y
        blocks.append(y)
    widths = {block.shape[1] for block in blocks if block is not None}
    if len(widths) > 1:
        raise InputError(f"{path}: y has different lengths in different graphs, expected one a graph or a node")
    columns: list[list] = [[] for _ in range(widths.pop())]
    for block, order in zip(blocks, orders, strict=True):
        for place, column in enumerate(columns):
            column += [None] * (order if of_nodes else 1) if block is None else block[:, place].tolist()
    return of_nodes, _named(columns)


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
    """Columns y, or y0, y1, … of several targets: of an array ``(rows,)`` or ``(rows, t)``."""
    return _named(values.reshape(len(values), -1).T.tolist())


def _named(columns: list[list]) -> dict[str, list]:
    if len(columns) == 1:
        return {"y": columns[0]}
    return {f"y{place}": column for place, column in enumerate(columns)}
