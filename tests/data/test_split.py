"""Seeded, stratified choices of rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data.split import choose, split_tenths, strata_of

classes = st.lists(st.integers(0, 5), min_size=10, max_size=400).map(np.array)
seeds = st.integers(0, 2**32)


@given(classes, st.integers(1, 2), seeds)
def test_tenths_share_out_all_rows(strata: np.ndarray, parts: int, seed: int) -> None:
    found = split_tenths(strata, parts, seed)
    assert len(found) == parts + 1
    assert sorted(np.concatenate(found)) == list(range(len(strata)))
    assert all(len(part) >= 1 for part in found)


@given(classes, seeds)
def test_each_class_has_its_share(strata: np.ndarray, seed: int) -> None:
    *tenths, rest = split_tenths(strata, 2, seed)
    for stratum, count in zip(*np.unique(strata, return_counts=True), strict=True):
        for tenth in tenths:
            assert count // 10 <= (strata[tenth] == stratum).sum() <= -(-count // 10)
        assert count == 1 or (strata[rest] == stratum).any()


@given(classes, seeds)
def test_splits_are_pure_functions_of_the_seed(strata: np.ndarray, seed: int) -> None:
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    once, again = split_tenths(strata, 2, seed), split_tenths(strata, 2, seed)
    assert all((a == b).all() for a, b in zip(once, again, strict=True))
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


def test_seeds_give_different_splits() -> None:
    strata = np.zeros(1000)
    assert len({tuple(split_tenths(strata, 2, seed)[0]) for seed in range(5)}) == 5


def test_a_number_is_split_over_its_whole_range() -> None:
    values = np.random.default_rng(0).exponential(size=1000)
    ranks = values.argsort().argsort()
    valid, test, _ = split_tenths(values, 2, seed=3)
    for part in (valid, test):
        assert np.bincount(ranks[part] // 100).tolist() == [10] * 10


def test_fewer_than_ten_rows_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="expected at least 10 rows, got 9"):
        split_tenths(np.zeros(9), 2, seed=0)


@given(classes, st.integers(1, 500), seeds)
def test_choose_keeps_proportions(strata: np.ndarray, count: int, seed: int) -> None:
    chosen = choose(strata, count, seed)
    assert len(chosen) == len(set(chosen)) == min(count, len(strata))
    share = len(chosen) / len(strata)
    for stratum, number in zip(*np.unique(strata, return_counts=True), strict=True):
        assert abs((strata[chosen] == stratum).sum() - share * number) <= 1 + 1e-9


def test_strata_of_several_targets_are_their_combinations() -> None:
    targets = np.array([[0, 1], [1, 0], [0, 1], [np.nan, 0], [np.nan, 0]])
    strata = strata_of(targets)
    assert strata[0] == strata[2]
    assert strata[3] == strata[4]
    assert len(set(strata)) == 3


def test_strata_of_one_number_are_its_values() -> None:
    assert strata_of(np.array([[3.5], [-1.0]])).tolist() == [3.5, -1.0]


def test_strata_of_class_names_are_numbers() -> None:
    assert strata_of(np.array(["b", "a", "b"], dtype=object)).tolist() == [1, 0, 1]
