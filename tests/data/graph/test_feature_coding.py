"""What the training part teaches about the features of nodes and edges."""

import json

import numpy as np

from sampleformer.data.graph.feature_coding import FeatureCoding
from sampleformer.data.graph.graph import Graph
from sampleformer.data.graph.raw_graph import raw_graphs
from sampleformer.settings import construct


def _texts(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)[:, None]


def test_numbers_are_standardised_and_flags_are_not() -> None:
    random = np.random.default_rng(0)
    parts = [
        np.column_stack([random.normal(7, 3, size=n), random.integers(2, size=n), np.full(n, 4.0)]) for n in (5, 9)
    ]
    coding = FeatureCoding.learn(parts, [np.zeros((len(part), 0), dtype=object) for part in parts])
    together = np.concatenate(parts)
    vectors = coding.vectors(together, np.zeros((14, 0), dtype=object))
    np.testing.assert_allclose(vectors[:, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(vectors[:, 0].std(), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors[:, 1], together[:, 1])
    np.testing.assert_array_equal(vectors[:, 2], 0)  # a constant says nothing


def test_gaps_count_as_the_mean_and_are_told() -> None:
    parts = [np.array([[1.0, np.nan, 2.0], [3.0, 5.0, np.nan]]), np.array([[5.0, 7.0, np.nan]])]
    coding = FeatureCoding.learn(parts, [_texts("a", "b"), _texts("a")])
    known = [[1.0, 3.0, 5.0], [5.0, 7.0], [2.0]]
    np.testing.assert_allclose(coding.mean, [np.mean(values) for values in known])
    np.testing.assert_allclose(coding.deviation, [np.std(known[0]), np.std(known[1]), 1])
    assert (coding.gaps, coding.width) == ((1, 2), 7)
    vectors = coding.vectors(np.array([[np.nan, np.nan, 2.0]]), _texts("b"))
    assert vectors.tolist() == [[0, 0, 0, 0, 1, 1, 0]]  # the first had none in training: nothing is learnt of it
    assert construct(FeatureCoding, json.loads(json.dumps(coding.to_json())), "nodes") == coding


def test_categories_that_training_did_not_have_are_unknown() -> None:
    coding = FeatureCoding.learn([np.zeros((3, 0))], [_texts("b", "a", "b")])
    assert coding.categories == (("a", "b"),)
    assert (coding.all_codes, coding.vocabularies, coding.width) == (True, [3], 2)
    assert coding.codes(_texts("a", "b", "c")).tolist() == [[1], [2], [0]]
    assert coding.vectors(np.zeros((3, 0)), _texts("a", "c", "b")).tolist() == [[1, 0], [0, 0], [0, 1]]


def test_integers_and_texts_mean_the_same_category() -> None:
    coding = FeatureCoding.learn([np.zeros((3, 0))], [np.array([[10], [9], [10]])])
    assert coding.categories == ((9, 10),)
    assert coding.codes(np.array([[9], [10], [11]])).tolist() == [[1], [2], [0]]
    assert coding.codes(_texts("9", "10", "x")).tolist() == [[1], [2], [0]]


def test_it_is_the_same_after_it_was_saved() -> None:
    coding = FeatureCoding.learn([np.arange(6.0).reshape(3, 2)], [_texts("b", "a", "")])
    assert construct(FeatureCoding, json.loads(json.dumps(coding.to_json())), "nodes") == coding


def test_integer_features_are_codes_unless_they_are_flags() -> None:
    ends = np.array([[0, 1]])
    codes = [
        Graph(np.array([[1, 0], [5, 1]]), ends, np.array([[3]])),
        Graph(np.array([[2, 0], [1, 0]]), ends, np.array([[1]])),
    ]
    for raw in raw_graphs(codes)[0]:
        assert (raw.numbers.shape[1], raw.categories.shape[1], raw.edge_categories.shape[1]) == (0, 2, 1)
    flags = [Graph(np.array([[1, 0], [0, 1]]), ends, np.zeros((1, 0)))]
    assert raw_graphs(flags)[0][0].numbers.tolist() == [[1, 0], [0, 1]]
    floats = [Graph(np.array([[1.5], [0.0]]), ends, np.zeros((1, 0)))]
    assert raw_graphs(floats)[0][0].categories.shape == (2, 0)


def test_if_one_graph_is_directed_all_are() -> None:
    ends = np.array([[0, 1]])
    (one, other), _ = raw_graphs(
        [
            Graph(np.zeros(2, int), ends, np.zeros((1, 0)), directed=True),
            Graph(np.zeros(2, int), ends, np.zeros((1, 0))),
        ]
    )
    assert one.directed
    assert other.directed
    assert other.ends.tolist() == [[0, 1], [1, 0]]
