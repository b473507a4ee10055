"""Subsets of k: marginals and their gradient against enumeration, samples against probabilities, masks, extremes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.functional.subsets import sample_subset, subset_marginals
from tests.naive import estimators as naive

SIZES = [(1, 1), (2, 1), (5, 2), (7, 5), (9, 4), (4, 4), (3, 8)]


@pytest.mark.parametrize(("m", "k"), SIZES)
def test_marginals_equal_their_twin_in_value_and_gradient(m, k):
    scores = (2 * torch.randn(3, m, dtype=torch.float64)).requires_grad_()
    upstream = torch.randn(3, m, dtype=torch.float64)
    results = []
    for out in (subset_marginals(scores, k), torch.stack([naive.subset_marginals(row, k) for row in scores])):
        results.append((out, *torch.autograd.grad(out, scores, upstream)))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_gradcheck():
    scores = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    valid = torch.tensor([[True] * 6, [True, False, True, True, False, True]])
    assert torch.autograd.gradcheck(lambda s: subset_marginals(s, 3, valid), (scores,))


def test_padding_has_no_part_and_changes_nothing():
    scores, valid = torch.randn(4, 7, dtype=torch.float64), torch.tensor([7, 5, 2, 0])[:, None] > torch.arange(7)
    uniform = torch.rand(4, 7, dtype=torch.float64)
    for garbage in (torch.inf, torch.nan, -1e30):
        spoilt = scores.masked_fill(~valid, garbage).requires_grad_()
        found = subset_marginals(spoilt, 3, valid)
        (gradient,) = torch.autograd.grad(found.square().sum(), spoilt)
        drawn = sample_subset(spoilt, 3, uniform, valid)
        assert not found[~valid].any()
        assert not drawn[~valid].any()
        assert not gradient[~valid].any()
        assert bool(gradient.isfinite().all())
        assert drawn.sum(-1).tolist() == [3, 3, 2, 0]
        for row, length in enumerate((7, 5, 2)):
            torch.testing.assert_close(found[row, :length], subset_marginals(scores[row, :length], 3))


def test_samples_have_their_probabilities():
    scores, k, draws = torch.tensor([1.5, -0.5, 0.0, 0.7, -2.0]), 2, 40_000
    uniform = torch.rand(draws, 5, generator=torch.Generator().manual_seed(3))
    drawn = sample_subset(scores.expand(draws, -1), k, uniform)
    assert bool((drawn.sum(-1) == k).all())
    probabilities = naive.subset_probabilities(scores.double(), k)
    for subset, probability in zip(naive.subsets(5, k), probabilities.tolist(), strict=True):
        share = drawn[:, list(subset)].all(-1).double().mean().item()
        error = (probability * (1 - probability) / draws) ** 0.5
        assert abs(share - probability) < 5 * error


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 40), spread=st.sampled_from([0.0, 1.0, 30.0, 1e4]))
def test_many_tokens_and_wild_scores_stay_right(dtype, seed, k, spread):
    generator = torch.Generator().manual_seed(seed)
    scores = (spread * torch.randn(2, 80, generator=generator, dtype=dtype)).requires_grad_()
    marginals = subset_marginals(scores, k)
    (gradient,) = torch.autograd.grad(marginals, scores, torch.randn(2, 80, generator=generator, dtype=dtype))
    drawn = sample_subset(scores, k, torch.rand(2, 80, generator=generator, dtype=dtype))
    assert bool(((marginals >= 0) & (marginals <= 1 + 1e-4)).all())
    torch.testing.assert_close(marginals.sum(-1), torch.full((2,), float(k), dtype=dtype), rtol=1e-3, atol=1e-3)
    assert bool(gradient.isfinite().all())
    assert drawn.sum(-1).tolist() == [k, k]
