"""Tests of the sums over colliding pairs, beside the same sums through tables of buckets."""

import pytest
import torch

from sampleformer.functional.bernoulli import pairs
from sampleformer.functional.bernoulli.buckets import outer_over_collisions
from sampleformer.functional.bernoulli.pairs import are_cheaper, outer_over_pairs

BUCKETS = 8


def problem(rows: int, n: int, k: int, hashes: int, e: int = 5, c: int = 3):
    """Codes, the number of buckets for what is in none among them, and float64 tensors."""
    generator = torch.Generator().manual_seed(0)
    codes = [
        torch.randint(0, BUCKETS + 1, (rows, hashes, length), generator=generator, dtype=torch.int32)
        for length in (n, k)
    ]
    shapes = ((rows, n, e), (rows, k, e), (rows, k, c), (rows, n, c))
    return *codes, *(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


@pytest.mark.parametrize("block", [1, 7, 60, 10**6])
@pytest.mark.parametrize(("rows", "n", "k", "hashes"), [(1, 1, 1, 1), (3, 7, 11, 5), (2, 13, 4, 2)])
def test_pairs_equal_tables(rows, n, k, hashes, block, monkeypatch):
    monkeypatch.setattr(pairs, "PAIRS_PER_BLOCK", block)
    given = problem(rows, n, k, hashes)
    for found, expected in zip(outer_over_pairs(*given, BUCKETS), outer_over_collisions(*given, BUCKETS), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_more_collisions_than_a_byte_holds():
    given = problem(1, 3, 4, 300)
    given = (torch.zeros_like(given[0]), torch.zeros_like(given[1]), *given[2:])
    for found, expected in zip(outer_over_pairs(*given, BUCKETS), outer_over_collisions(*given, BUCKETS), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("n", "k"), [(0, 3), (3, 0), (0, 0)])
def test_no_queries_and_no_keys(n, k):
    of_query, of_key = outer_over_pairs(*problem(2, n, k, 3), BUCKETS)
    torch.testing.assert_close(of_query, of_query.new_zeros(2, n, 5))
    torch.testing.assert_close(of_key, of_key.new_zeros(2, k, 5))


@pytest.mark.parametrize(("length", "expected"), [(1, True), (1024, True), (16_384, False)])
def test_pairs_are_cheaper_where_inputs_are_short(length, expected):
    codes = torch.empty(1, 16, length, dtype=torch.int32)
    heads = torch.empty(1, length, 32)
    assert are_cheaper(codes, codes, heads, heads, 2**9) is expected
