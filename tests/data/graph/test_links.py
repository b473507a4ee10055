"""Edges that are held out, non-edges, and what a pass of training asks about."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data import GraphFiles, Sample
from sampleformer.data.graph.links import ask_for_links, different_edges, edge_keys, sample_non_edges
from tests.data.graph.small import write_many, write_one


def _pairs(sample: Sample, target: int) -> set[frozenset[int]]:
    assert sample.pairs is not None
    assert sample.target is not None
    return {frozenset(pair) for pair in sample.pairs[sample.target[:, 0] == target].tolist()}


def _edges(sample: Sample) -> set[frozenset[int]]:
    assert sample.ends is not None
    return {frozenset(pair) for pair in sample.ends.tolist()}


@given(st.integers(2, 12), st.integers(0, 30), st.booleans(), st.integers(0, 1000))
def test_non_edges_are_no_edges(nodes: int, count: int, directed: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    ends = random.integers(nodes, size=(8, 2))
    known = edge_keys(ends, nodes, directed)
    found = sample_non_edges(known, nodes, count, random, directed)
    keys = edge_keys(found, nodes, directed)
    assert len(found) <= count
    assert not np.isin(keys, known).any()
    assert len(np.unique(keys)) == len(keys)
    assert (found[:, 0] != found[:, 1]).all()


def test_all_non_edges_are_found_where_few_are_left() -> None:
    known = edge_keys(np.array([[0, 1]]), 3, directed=False)
    found = sample_non_edges(known, 3, 5, np.random.default_rng(0), directed=False)
    assert sorted(map(tuple, found.tolist())) == [(0, 2), (1, 2)]


def test_different_edges() -> None:
    ends = np.array([[1, 0], [0, 1], [2, 2], [1, 2]])
    assert different_edges(ends, 3, directed=False).tolist() == [[0, 1], [1, 2]]
    assert different_edges(ends, 3, directed=True).tolist() == [[0, 1], [1, 0], [1, 2]]


def test_no_edge_that_is_asked_about_is_in_the_graph(tmp_path: Path) -> None:
    splits = GraphFiles(str(write_one(tmp_path / "one")), "link", random_walk=4).load()
    assert splits.encoding.model_inputs["encodings"] == 0  # they would tell which edges were taken out
    (train,), (valid,), (test,) = (
        [part[row] for row in range(len(part))] for part in (splits.train, splits.valid, splits.test)
    )
    assert _edges(train) == _edges(valid) == _edges(test)
    assert not _edges(test) & (_pairs(test, 1) | _pairs(valid, 1))
    assert not _pairs(test, 1) & _pairs(valid, 1)
    assert _pairs(train, 1) == _edges(train)
    everything = _edges(train) | _pairs(valid, 1) | _pairs(test, 1)
    for sample in (train, valid, test):
        assert len(_pairs(sample, 0)) == len(_pairs(sample, 1))
        assert not _pairs(sample, 0) & everything


def test_a_pass_of_training_asks_about_edges_that_it_takes_out(tmp_path: Path) -> None:
    train = GraphFiles(str(write_one(tmp_path / "one")), "link").load().train
    whole = train[0]
    first, again, other = (train.drawn(0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for drawn in (first, other):
        assert _edges(drawn) | _pairs(drawn, 1) == _edges(whole)
        assert not _edges(drawn) & _pairs(drawn, 1)
        assert not _pairs(drawn, 0) & _edges(whole)
        assert len(_pairs(drawn, 1)) == round(0.2 * len(_edges(whole)))
        assert drawn.edge_features is not None
        assert drawn.ends is not None
        assert len(drawn.edge_features) == len(drawn.ends)
    assert _pairs(first, 1) == _pairs(again, 1)
    assert _pairs(first, 1) != _pairs(other, 1)


def test_both_listings_of_a_double_edge_are_taken_out() -> None:
    sample = Sample(
        np.zeros(3, np.int64),
        np.ones((1, 1), np.float32),
        "a",
        level="pair",
        ends=np.array([[0, 1], [1, 0], [1, 2]]),
        pairs=np.array([[0, 1]]),
    )
    drawn = ask_for_links(sample, np.random.default_rng(0), 1.0)
    assert drawn.ends is not None
    assert drawn.ends.tolist() == [[1, 2]]


def test_links_of_many_directed_graphs(tmp_path: Path) -> None:
    splits = GraphFiles(str(write_many(tmp_path / "many")), "link", directed=True).load()
    assert splits.encoding.model_inputs["directed"]
    asked = sum(part.targets.sum() for part in (splits.train, splits.valid, splits.test) if part.targets is not None)
    graphs = [splits.train[row] for row in range(len(splits.train))]
    assert splits.encoding.task.name == "link"
    assert asked > sum(len(_edges(graph)) for graph in graphs)  # those of the test are in no graph
