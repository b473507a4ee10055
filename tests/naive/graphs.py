"""Encodings of graphs, one edge, node and step at a time in float64.

The formulas: A_ij is the number of edge ends at i whose edge's other end is at j, d_i its row sum,
`L = I - D^(-1/2) A D^(-1/2)` and `P = D^(-1) A`; rows of isolated nodes are zero in all of them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def adjacency(order: int, ends: Sequence[Sequence[int]]) -> Tensor:
    """The number of edge ends that join each two nodes, (n, n)."""
    result = torch.zeros(order, order, dtype=torch.float64)
    for source, target in ends:
        result[source, target] += 1
        result[target, source] += 1
    return result


def laplacian(order: int, ends: Sequence[Sequence[int]]) -> Tensor:
    """The symmetric normalised Laplacian, (n, n)."""
    joined = adjacency(order, ends)
    result = torch.zeros(order, order, dtype=torch.float64)
    for i in range(order):
        for j in range(order):
            if joined[i].sum() > 0 and joined[j].sum() > 0:
                result[i, j] = float(i == j) - joined[i, j] / torch.sqrt(joined[i].sum() * joined[j].sum())
    return result


def components(order: int, ends: Sequence[Sequence[int]]) -> list[list[int]]:
    """The nodes that can be reached from each other."""
    label = list(range(order))
    for _ in range(order):
        for source, target in ends:
            label[source] = label[target] = min(label[source], label[target])
    return [[i for i in range(order) if label[i] == name] for name in sorted(set(label))]


def returns(order: int, ends: Sequence[Sequence[int]], steps: int) -> Tensor:
    """For each node, the probability that a random walk from it is there after 1, 2, ... steps, (n, steps)."""
    joined = adjacency(order, ends)
    result = torch.zeros(order, steps, dtype=torch.float64)
    for start in range(order):
        at = [float(i == start) for i in range(order)]
        for step in range(steps):
            moved = [0.0] * order
            for i in range(order):
                for j in range(order):
                    if joined[i].sum() > 0:
                        moved[j] += at[i] * float(joined[i, j] / joined[i].sum())
            at = moved
            result[start, step] = at[start]
    return result
