"""Pairs of nodes that an edge may join: what is known of them, and what each pass of training asks about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sampleformer.sample import Sample

_TRIES = 50


def edge_keys(ends: np.ndarray, nodes: int, directed: bool) -> np.ndarray:
    """One number for each pair of nodes, ``(E,)`` int64; without direction the same for (i, j) and (j, i).

    Example:
        >>> edge_keys(np.array([[0, 1], [1, 0]]), 3, directed=False)
        array([1, 1])
    """
    ends = np.asarray(ends, dtype=np.int64)
    if not directed:
        ends = np.sort(ends, axis=1)
    return ends[:, 0] * nodes + ends[:, 1]


def different_edges(ends: np.ndarray, nodes: int, directed: bool) -> np.ndarray:
    """Each pair of different nodes that is joined, once: ``(pairs, 2)`` int64, sorted."""
    ends = np.asarray(ends, dtype=np.int64)
    keys = np.unique(edge_keys(ends[ends[:, 0] != ends[:, 1]], nodes, directed))
    return np.stack([keys // nodes, keys % nodes], axis=1)


def sample_non_edges(
    known: np.ndarray, nodes: int, count: int, random: np.random.Generator, directed: bool
) -> np.ndarray:
    """Pairs of different nodes that are not joined, each at most once.

    Args:
        known: keys of the pairs that must not come, see `edge_keys`.
        nodes: number of nodes.
        count: how many; fewer come if the graph hardly has so many.
        random: source of randomness.
        directed: whether (i, j) and (j, i) are different pairs.

    Returns:
        ``(at most count, 2)`` int64, of memory linear in count.
    """
    found = np.zeros(0, dtype=np.int64)
    for _ in range(_TRIES if nodes > 1 else 0):
        pairs = random.integers(nodes, size=(2 * (count - len(found)) + 8, 2))
        keys = edge_keys(pairs[pairs[:, 0] != pairs[:, 1]], nodes, directed)
        keys = keys[~np.isin(keys, known)]
        merged = np.concatenate([found, keys])
        found = merged[np.sort(np.unique(merged, return_index=True)[1])][:count]
        if len(found) == count:
            break
    return np.stack([found // nodes, found % nodes], axis=1) if nodes else np.zeros((0, 2), np.int64)


def asked(links: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that are joined and pairs that are not: the pairs ``(p, 2)`` and their targets ``(p, 1)`` float32."""
    targets = np.concatenate([np.ones(len(links)), np.zeros(len(others))])
    return np.concatenate([links, others]), targets.astype(np.float32)[:, None]


def ask_for_links(sample: Sample, random: np.random.Generator, share: float) -> Sample:
    """A graph as one pass of training sees it: some edges are taken out and asked about, with as many non-edges.

    An edge that is asked about must not be in the graph, or the model would read the answer off its token.

    Args:
        sample: of level "pair"; those of its pairs whose target is 1 can be taken out.
        random: draws the edges and the non-edges.
        share: of the edges.
    """
    assert sample.ends is not None
    assert sample.pairs is not None
    assert sample.target is not None
    links = sample.pairs[sample.target[:, 0] == 1]
    count = min(len(links), max(1, round(share * len(links))))
    links = links[np.sort(random.choice(len(links), count, replace=False))] if count else links
    nodes = len(sample)
    keys = edge_keys(sample.ends, nodes, sample.directed)
    others = sample_non_edges(keys, nodes, len(links), random, sample.directed)
    kept = ~np.isin(keys, edge_keys(links, nodes, sample.directed))
    pairs, target = asked(links, others)
    carried = None if sample.edge_features is None else sample.edge_features[kept]
    return replace(sample, ends=sample.ends[kept], edge_features=carried, pairs=pairs, target=target)
