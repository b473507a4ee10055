"""A graph read from tables, before anything is learnt about its columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TableGraph:
    """A graph whose features are still the numbers and texts of tables.

    Args:
        name: of the graph.
        nodes: id of each of its n nodes.
        node_rows: index of each in the table of nodes, ``(n,)`` int64; -1 if there is no such table.
        node_numbers: its numbers, ``(n, f)`` float64.
        node_categories: its texts, ``(n, c)`` objects.
        ends: source and target of each of its E edges, as places among the nodes, ``(E, 2)`` int64.
        edge_rows: index of each in the table of edges, ``(E,)`` int64.
        edge_numbers: its numbers, ``(E, f)`` float64.
        edge_categories: its texts, ``(E, c)`` objects.
        row: index of the graph in the table of graphs; -1 if there is no such table.
    """

    name: str
    nodes: list[str]
    node_rows: np.ndarray
    node_numbers: np.ndarray
    node_categories: np.ndarray
    ends: np.ndarray
    edge_rows: np.ndarray
    edge_numbers: np.ndarray
    edge_categories: np.ndarray
    row: int = -1
