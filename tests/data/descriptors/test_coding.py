"""Places among quantiles."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sampleformer.data.descriptors.coding import QuantileCoding
from sampleformer.errors import InputError
from sampleformer.settings import construct

NUMBERS = st.one_of(st.floats(-1e6, 1e6), st.integers(0, 5).map(float), st.just(float("nan")))


def by_definition(x: float, edges: tuple[float, ...]) -> float:
    """Bins below x, and the share of the bin that x is in."""
    if np.isnan(x):
        x = edges[len(edges) // 2]
    place = 0.0
    for low, high in pairwise(edges):
        place += min(max((x - low) / (high - low), 0.0), 1.0)
    return place


TINY = np.array([0.0, 2.2e-313, 2.2e-311, 1.0] * 3)[:, None]


@given(arrays(np.float64, st.tuples(st.integers(4, 40), st.integers(1, 3)), elements=NUMBERS), st.integers(1, 9))
@example(TINY, 2)
def test_a_code_is_the_place_among_the_quantiles(numbers: np.ndarray, bins: int) -> None:
    coding = QuantileCoding.learn(numbers, bins)
    codes = coding.encode(numbers)
    assert codes.shape == (len(numbers), len(coding.widths))
    assert max(coding.widths, default=0) <= max(bins + 2, 1)  # the ends and the most frequent value are edges too
    at = 0
    for column, edges, linear, gaps in zip(coding.columns, coding.edges, coding.linear, coding.gaps, strict=True):
        assert all(low < high for low, high in pairwise(edges))
        expected = [by_definition(x, edges) for x in numbers[:, column]]
        np.testing.assert_allclose(codes[:, at], expected, atol=0.01)  # float16
        assert coding.widths[at] == len(edges) - 1
        at += 1 + linear
        if gaps:
            np.testing.assert_array_equal(codes[:, at], np.isnan(numbers[:, column]))
            at += 1


def test_a_column_with_one_value_says_where_its_gaps_are() -> None:
    numbers = np.array([[7.0, 7, 7]] * 5 + [[np.nan, 7, np.nan]] * 2 + [[np.nan, 7, 7]])
    coding = QuantileCoding.learn(numbers, bins=8)
    assert coding.names(["a", "b", "c"]) == ["a", "a is missing"]  # of the last one, too few gaps are known
    assert coding.encode(numbers)[:, 1].tolist() == [0] * 5 + [1] * 3


@given(arrays(np.float64, st.tuples(st.integers(4, 30), st.just(1)), elements=st.floats(-1e3, 1e3)))
def test_the_order_of_numbers_stays(numbers: np.ndarray) -> None:
    coding = QuantileCoding.learn(numbers, 8)
    if coding.columns:
        codes = coding.encode(np.sort(numbers, axis=0))[:, 0]
        assert (np.diff(codes) >= 0).all()


def test_counts_have_a_bin_for_each_step_and_real_numbers_stand_there_standardised() -> None:
    counts = np.array([0, 0, 0, 1, 1, 2, 3, 7], dtype=np.uint8)
    real = np.linspace(-1, 1, 8)
    coding = QuantileCoding.learn(np.stack([counts, real], axis=1), bins=4)
    assert coding.widths == (4, 4, 0)
    codes = coding.encode(np.array([[2.0, 1.0], [5, 1000]]))
    assert codes[0, 0] == 2
    assert codes[1, 0] == 3.5
    np.testing.assert_allclose(codes[0, 2], (1 - real.mean()) / real.std(), rtol=1e-3)
    assert codes[1, 2] == 5  # no farther


def test_columns_that_hardly_change_are_left_out() -> None:
    numbers = np.zeros((20, 3))
    numbers[:2, 0] = 1
    numbers[:3, 1] = 1
    assert QuantileCoding.learn(numbers, 8).columns == (1,)
    assert QuantileCoding.learn(np.full((5, 2), np.nan), 8).widths == ()


def test_plain_values_give_the_same_coding() -> None:
    numbers = np.random.default_rng(0).normal(size=(50, 4))
    numbers[::7, 2] = np.nan
    coding = QuantileCoding.learn(numbers, 8)
    again = construct(QuantileCoding, json.loads(json.dumps(coding.to_json())), "coding")
    assert again == coding
    np.testing.assert_array_equal(again.encode(numbers), coding.encode(numbers))
    names = ["a", "b", "c", "d"]
    assert coding.names(names) == ["a", "a", "b", "b", "c", "c", "c is missing", "d", "d"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"edges": [[1.0]]}, "expected two numbers at least"),
        ({"edges": [[1.0, 1.0]]}, "each above the one before"),
        ({"edges": [[0.0, float("nan")]]}, "each above the one before"),
        ({"columns": [0, 1]}, "expected as many of each"),
        ({"columns": [-1]}, "expected 0 or more"),
        ({"deviation": [0.0]}, "and above 0"),
        ({"edges": "ab"}, "edges"),
    ],
)
def test_a_forged_coding_is_refused(changes: dict[str, Any], words: str) -> None:
    whole = {
        "columns": [0],
        "edges": [[0.0, 1.0]],
        "mean": [0.0],
        "deviation": [1.0],
        "linear": [False],
        "gaps": [False],
    }
    with pytest.raises(InputError, match=words):
        construct(QuantileCoding, whole | changes, "coding")


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows_are_encoded(rows: int) -> None:
    coding = QuantileCoding.learn(np.arange(10.0)[:, None], 3)
    assert coding.encode(np.zeros((rows, 1))).shape == (rows, 2)
