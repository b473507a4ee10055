"""The order in which training sees the samples, and the chunks that go through the model at once."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data import RandomBatches, cut_by_length
from sampleformer.data.batching import cut_in_order, cut_in_parts, deal

counts = st.integers(1, 300)
batch_sizes = st.integers(1, 40)
seeds = st.integers(0, 2**32)
sizes = st.lists(st.integers(0, 3000), min_size=1, max_size=60)
limits = st.integers(1, 20_000)
overheads = st.integers(0, 5000)


@given(counts, batch_sizes, seeds, st.integers(0, 3))
def test_a_pass_has_every_sample_once_in_batches_of_nearly_one_size(
    samples: int, batch_size: int, seed: int, number: int
) -> None:
    batches = RandomBatches(samples, batch_size, seed)
    first = number * batches.batches_per_pass
    found = [batches.batch(step) for step in range(first, first + len(batches))]
    assert sorted(index for batch in found for index in batch) == list(range(samples))
    lengths = {len(batch) for batch in found}
    assert max(lengths) <= batch_size
    assert max(lengths) - min(lengths) <= 1


@given(counts, batch_sizes, seeds, st.lists(st.integers(0, 500), min_size=1, max_size=20))
def test_a_batch_is_a_function_of_seed_and_step(samples: int, batch_size: int, seed: int, steps: list[int]) -> None:
    in_any_order = RandomBatches(samples, batch_size, seed)
    for step in steps:
        assert in_any_order.batch(step) == RandomBatches(samples, batch_size, seed).batch(step)


def test_orders_differ_between_passes_and_seeds() -> None:
    batches = RandomBatches(200, 10, seed=0)
    passes = [tuple(map(tuple, (batches.batch(step) for step in range(first, first + 20)))) for first in (0, 20, 40)]
    passes.append(tuple(map(tuple, RandomBatches(200, 10, seed=1))))
    assert len(set(passes)) == 4


@pytest.mark.parametrize(("samples", "batch_size"), [(0, 4), (2, 0)])
def test_nothing_to_batch_is_an_error(samples: int, batch_size: int) -> None:
    with pytest.raises(ValueError, match="expected samples and a batch size of at least 1"):
        RandomBatches(samples, batch_size, seed=0)


def _padded(sizes: list[int], chunk: np.ndarray) -> int:
    return len(chunk) * max(1, *(sizes[place] for place in chunk)) if len(chunk) > 1 else max(1, sizes[chunk[0]])


@given(sizes, limits, overheads)
def test_chunks_by_length_have_every_sample_once_under_the_limit(sizes: list[int], limit: int, overhead: int) -> None:
    chunks = cut_by_length(sizes, limit, overhead)
    assert sorted(place for chunk in chunks for place in chunk) == list(range(len(sizes)))
    assert all(len(chunk) == 1 or _padded(sizes, chunk) <= limit for chunk in chunks)
    for longer, shorter in itertools.pairwise(chunks):
        assert min(sizes[place] for place in longer) >= max(sizes[place] for place in shorter)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(1, 200), st.integers(0, 60))
def test_no_other_cut_of_the_sorted_samples_is_cheaper(sizes: list[int], limit: int, overhead: int) -> None:
    def cost(chunks: list[np.ndarray]) -> int:
        return sum(_padded(sizes, chunk) + overhead for chunk in chunks)

    order = np.argsort(sizes)
    cuts = itertools.product([False, True], repeat=len(sizes) - 1)
    allowed = (
        chunks
        for chunks in (np.split(order, np.flatnonzero(places) + 1) for places in cuts)
        if all(len(chunk) == 1 or _padded(sizes, chunk) <= limit for chunk in chunks)
    )
    cheapest = min(map(cost, allowed))
    assert cost(cut_by_length(sizes, limit, overhead)) == cheapest


@given(sizes, limits)
def test_chunks_in_order_are_the_fewest_that_keep_the_limit(sizes: list[int], limit: int) -> None:
    chunks = cut_in_order(sizes, limit)
    assert [place for chunk in chunks for place in chunk] == list(range(len(sizes)))
    assert max(map(len, chunks)) - min(map(len, chunks)) <= 1
    assert all(len(chunk) == 1 or _padded(sizes, chunk) <= limit for chunk in chunks)
    if len(chunks) > 1:
        fewer = np.array_split(np.arange(len(sizes)), len(chunks) - 1)
        assert any(len(chunk) > 1 and _padded(sizes, chunk) > limit for chunk in fewer)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=40), st.integers(1, 6), st.integers(1, 2000))
def test_parts_share_all_samples(sizes: list[int], parts: int, limit: int) -> None:
    chunks = cut_in_parts(sizes, limit, parts)
    assert sorted(int(row) for chunk in chunks for row in chunk) == list(range(len(sizes)))
    shares = deal([len(chunk) for chunk in chunks], parts)
    assert sorted(piece for share in shares for piece in share) == list(range(len(chunks)))
    assert all(shares) == (len(chunks) >= parts)


def test_equal_samples_make_equal_parts() -> None:
    for parts in (2, 4, 8):
        chunks = cut_in_parts([64] * 32, 4096, parts)
        assert [len(chunk) for chunk in chunks] == [32 // parts] * parts
