"""Encodings of the places of nodes in their graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from sampleformer.data.graph.graph import Graph
from sampleformer.extras import require

_DENSE_NODES = 1000  # up to which LAPACK's whole decomposition is faster than a few vectors of a sparse matrix
_BLOCK_NUMBERS = 1 << 22  # of the random walks that are followed at once
_LANCZOS_STEPS = 300
_TIE = 1e-6


def laplacian_encodings(graph: Graph, count: int) -> np.ndarray:
    """Eigenvectors of the symmetric normalised Laplacian, those of the smallest eigenvalues but zero.

    `L = I − D^(−1/2) A D^(−1/2)`, with A the number of edge ends that join two nodes (directions are forgotten, double
    edges count twice, a self-loop counts 2 on the diagonal) and D its row sums. Each connected component is encoded as
    if it were alone: its eigenvalue 0, whose vector tells only degrees, is left out, its other eigenvectors have unit
    length, in the order of their eigenvalues. Where a component has fewer than `count`, zeros follow; an isolated node
    has nothing but zeros.

    An eigenvector's sign means nothing. Here its largest entry is positive (of equally large ones, the first). Where
    an eigenvalue is repeated, which basis of its space is returned depends on the machine.

    Args:
        graph: the graph, with n nodes.
        count: number p of vectors.

    Returns:
        One row for each node, ``(n, p)`` float32.

    Raises:
        ValueError: if count is negative.
        InputError: if SciPy is not installed.

    "Benchmarking Graph Neural Networks" (arXiv 2003.00982, section 4.1).

    Example:
        >>> laplacian_encodings(Graph(np.arange(3), np.array([[0, 1], [1, 2]]), np.zeros((2, 0))), 1).round(2)
        array([[ 0.71],
               [-0.  ],
               [-0.71]], dtype=float32)
    """
    if count < 0:
        raise ValueError(f"count is {count}, expected at least 0")
    result = np.zeros((graph.order, count), dtype=np.float32)
    matrix = _normalised_adjacency(graph)
    for nodes in _components(matrix):
        if count and len(nodes) > 1:
            part = matrix if len(nodes) == graph.order else matrix[nodes][:, nodes]
            vectors = _leading_vectors(part, count + 1)[:, 1:]
            result[nodes, : vectors.shape[1]] = vectors * _signs(vectors)
    return result + 0.0  # no negative zeros


def random_walk_encodings(graph: Graph, steps: int) -> np.ndarray:
    """For each node, how probably a random walk is back after 1, 2, … steps.

    `r_it = (P^t)_ii`, `P = D^(−1) A`, with A and D as in `laplacian_encodings`: directions are forgotten, of several
    edges each is as probable, a self-loop has two ends. From an isolated node there is no walk: zeros.

    Args:
        graph: the graph, with n nodes.
        steps: number p of steps.

    Returns:
        ``(n, p)`` float32, between 0 and 1.

    Raises:
        ValueError: if steps is negative.
        InputError: if SciPy is not installed.

    "Graph Neural Networks with Learnable Structural and Positional Representations" (arXiv 2110.07875, section 3.2).

    Example:
        >>> random_walk_encodings(Graph(np.arange(3), np.array([[0, 1], [1, 2]]), np.zeros((2, 0))), 2)
        array([[0. , 0.5],
               [0. , 1. ],
               [0. , 0.5]], dtype=float32)
    """
    if steps < 0:
        raise ValueError(f"steps is {steps}, expected at least 0")
    result = np.zeros((graph.order, steps), dtype=np.float32)
    matrix = _normalised_adjacency(graph)
    block = max(1, _BLOCK_NUMBERS // max(1, graph.order))
    for first in range(0, graph.order if steps else 0, block):
        result[first : first + block] = _returns(matrix, first, min(first + block, graph.order), steps)
    return result


def _normalised_adjacency(graph: Graph) -> Any:
    """`D^(−1/2) A D^(−1/2)` as a sparse matrix, ``(n, n)`` float64; rows of isolated nodes are zero."""
    sparse = require("scipy.sparse", "graph")
    source, target = graph.ends.astype(np.int64).T
    degrees = graph.degrees.astype(np.float64)
    weights = 1 / np.sqrt(degrees[source] * degrees[target])
    rows, columns = np.concatenate([source, target]), np.concatenate([target, source])
    return sparse.coo_matrix((np.tile(weights, 2), (rows, columns)), shape=(graph.order, graph.order)).tocsr()


def _components(matrix: Any) -> list[np.ndarray]:
    """The nodes of each connected component, each sorted."""
    if matrix.shape[0] == 0:
        return []
    number, labels = require("scipy.sparse.csgraph", "graph").connected_components(matrix, directed=False)
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels, minlength=number))[:-1])


def _leading_vectors(matrix: Any, count: int) -> np.ndarray:
    """Eigenvectors of the largest eigenvalues of a symmetric matrix, the largest first: ``(n, min(n, count))``."""
    size = matrix.shape[0]
    if size <= _DENSE_NODES or 2 * count >= size:
        return np.linalg.eigh(matrix.toarray())[1][:, ::-1][:, :count]
    linalg = require("scipy.sparse.linalg", "graph")
    start = np.random.default_rng(size).standard_normal(size)
    try:
        values, vectors = linalg.eigsh(matrix, count, which="LA", v0=start, maxiter=_LANCZOS_STEPS)
    except linalg.ArpackNoConvergence:  # eigenvalues close to each other: a long, thin graph, cheap to factorise
        values, vectors = linalg.eigsh(matrix.tocsc(), count, sigma=1 + 1e-3, which="LM", v0=start)
    return vectors[:, np.argsort(-values, kind="stable")]


def _signs(vectors: np.ndarray) -> np.ndarray:
    """The sign of the largest entry of each vector, the first of those that are equal but for rounding."""
    sizes = np.abs(vectors)
    first = np.argmax(sizes >= sizes.max(axis=0) * (1 - _TIE), axis=0)
    return np.sign(vectors[first, np.arange(vectors.shape[1])])


def _returns(matrix: Any, first: int, last: int, steps: int) -> np.ndarray:
    """The return probabilities of the nodes from first to last, ``(nodes, steps)``.

    `P = D^(−1/2) M D^(1/2)` has the diagonals of M's powers, and M is symmetric: with x_s the column i of M^s,
    `(M^2s)_ii = x_s·x_s` and `(M^(2s+1))_ii = x_s·x_(s+1)`, so half as many products are enough.
    """
    nodes = np.arange(last - first)
    before = np.zeros((matrix.shape[0], len(nodes)))
    before[first + nodes, nodes] = 1
    result = np.zeros((len(nodes), steps))
    for step in range(1, steps + 1, 2):
        after = matrix @ before
        result[:, step - 1] = np.einsum("ij,ij->j", before, after)
        if step < steps:
            result[:, step] = np.einsum("ij,ij->j", after, after)
        before = after
    return result
