"""SFT's pairs against their formula."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sampleformer.functional.pairing import log_softplus, mix_pairs, pair_shares
from tests.naive import pairing as naive

EXACT = {"rtol": 1e-10, "atol": 1e-10}
K, CARRIED = 5, 3


def mixed(top: Tensor, rest: Tensor, top_scores: Tensor, rest_scores: Tensor, *valid: Tensor | None) -> Tensor:
    return mix_pairs(torch.cat([top, rest], dim=-2), pair_shares(top_scores, rest_scores, *valid))


def inputs(rest: int) -> list[Tensor]:
    shapes = ((2, K, CARRIED), (2, rest, CARRIED), (2, K), (2, rest))
    return [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


def validity(rest: int, masked: bool) -> tuple[Tensor | None, Tensor | None]:
    if not masked:
        return None, None
    valid = torch.arange(K + rest) < torch.tensor([3, K + rest - 1])[:, None]
    return valid[:, :K], valid[:, K:]


@pytest.mark.parametrize("rest", [K, 2, 0])
@pytest.mark.parametrize("masked", [False, True], ids=["all-valid", "masked"])
def test_value_and_every_gradient_equal_the_twin(rest, masked):
    values, valid = inputs(rest), validity(rest, masked)
    upstream = torch.randn(2, K, CARRIED, dtype=torch.float64)
    results = []
    for mix in (mixed, naive.mix_pairs):
        out = mix(*values, *valid)
        results.append((out, *torch.autograd.grad(out, values, upstream, materialize_grads=True)))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, **EXACT)


def test_gradient_is_the_true_one():
    assert torch.autograd.gradcheck(mixed, inputs(3))


@pytest.mark.parametrize("masked_score", [torch.inf, -torch.inf, torch.nan], ids=str)
def test_what_is_invalid_leaves_no_trace(masked_score):
    top, rest, top_scores, rest_scores = inputs(K)
    top_valid, rest_valid = validity(K, True)
    rest_scores = rest_scores.masked_fill(~rest_valid, masked_score)
    top_scores = top_scores.masked_fill(~top_valid, masked_score)
    spoilt = rest.masked_fill(~rest_valid[..., None], 1e6)
    out = mixed(top, spoilt, top_scores, rest_scores, top_valid, rest_valid)
    clean = mixed(top, rest, top_scores, rest_scores, top_valid, rest_valid)
    torch.testing.assert_close(out[top_valid], clean[top_valid])
    gradients = torch.autograd.grad(out[top_valid].sum(), [top_scores, rest_scores])
    assert bool(out[top_valid].isfinite().all())
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


@given(st.floats(-500, 500), st.floats(-500, 500))
def test_a_mixture_lies_between_its_parts_whatever_the_scores(top_score, rest_score):
    scores = [torch.tensor([score], dtype=torch.float32, requires_grad=True) for score in (top_score, rest_score)]
    found = mixed(torch.ones(1, 1), torch.zeros(1, 1), *scores)
    gradients = torch.autograd.grad(found.sum(), scores)
    assert 0 <= float(found.detach()) <= 1
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


def test_equal_scores_mix_evenly_even_where_softplus_underflows():
    scores = torch.tensor([-1000.0, 0.0, 1000.0])
    found = mixed(torch.ones(3, 1), torch.zeros(3, 1), scores, scores)
    torch.testing.assert_close(found.flatten(), torch.full((3,), 0.5))


@pytest.mark.parametrize("score", [-700.0, -31.0, -30.0, -29.0, 0.0, 5.0, 700.0])
def test_log_softplus_is_continuous_and_right(score):
    x = torch.tensor(score, dtype=torch.float64, requires_grad=True)
    found = log_softplus(x)
    # log(softplus) nears x - exp(x) / 2 far below zero, and log x far above.
    expected = torch.log(torch.log1p(torch.exp(x))) if -600 < score < 600 else (x if score < 0 else torch.log(x))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(*(torch.autograd.grad(y, x)[0] for y in (found, expected)), rtol=1e-12, atol=1e-12)
