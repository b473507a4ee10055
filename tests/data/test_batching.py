"""The order in which training sees the samples."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data import LengthGroupedBatches

lengths = st.lists(st.integers(0, 3000), min_size=1, max_size=300)
sizes = st.integers(1, 40)
seeds = st.integers(0, 2**32)


@given(lengths, sizes, seeds, st.booleans(), st.integers(0, 3))
def test_a_pass_has_every_sample_once(lengths: list[int], size: int, seed: int, shuffle: bool, number: int) -> None:
    batches = LengthGroupedBatches(lengths, size, seed, shuffle)
    first = number * batches.batches_per_pass
    found = [batches.batch(step) for step in range(first, first + batches.batches_per_pass)]
    assert sorted(index for batch in found for index in batch) == list(range(len(lengths)))
    assert sum(len(batch) < size for batch in found) <= 1


@given(lengths, sizes, seeds, st.lists(st.integers(0, 500), min_size=1, max_size=20))
def test_a_batch_is_a_function_of_seed_and_step(lengths: list[int], size: int, seed: int, steps: list[int]) -> None:
    in_any_order = LengthGroupedBatches(lengths, size, seed)
    for step in steps:
        assert in_any_order.batch(step) == LengthGroupedBatches(lengths, size, seed).batch(step)


def test_orders_differ_between_passes_and_seeds() -> None:
    lengths = list(range(200))
    batches = LengthGroupedBatches(lengths, 10, seed=0)
    passes = [tuple(map(tuple, (batches.batch(step) for step in range(first, first + 20)))) for first in (0, 20, 40)]
    other = LengthGroupedBatches(lengths, 10, seed=1)
    passes.append(tuple(map(tuple, other)))
    assert len(set(passes)) == 4


def test_batches_hold_similar_lengths() -> None:
    lengths = np.random.default_rng(0).integers(1, 2000, size=5000)
    batches = LengthGroupedBatches(lengths, 20, seed=0)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded / lengths.sum() < 1.05  # batches of a plain shuffle would pad nearly as much again


def test_without_shuffling_samples_are_sorted_by_length_in_every_pass() -> None:
    lengths = [5, 1, 4, 1, 3]
    batches = LengthGroupedBatches(lengths, 2, seed=0, shuffle=False)
    assert list(batches) == [[1, 3], [4, 2], [0]]
    assert [batches.batch(step) for step in range(3, 6)] == list(batches)
    assert all(lengths[before[-1]] <= lengths[after[0]] for before, after in pairwise(batches))
    assert len(batches) == 3


@pytest.mark.parametrize(("lengths", "size"), [([], 4), ([1, 2], 0)])
def test_nothing_to_batch_is_an_error(lengths: list[int], size: int) -> None:
    with pytest.raises(ValueError, match="expected samples and a batch size of at least 1"):
        LengthGroupedBatches(lengths, size, seed=0)
