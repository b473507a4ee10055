"""The attention that tokens get, and its divergence from scores, against slow twins."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sampleformer.functional.attention_mass import attention_mass, mass_divergence, spread_places
from tests.naive import attention_mass as naive

LENGTHS = (7, 3, 1, 0)


def masks() -> tuple[Tensor, Tensor]:
    """Which of 5 queries count and which of 7 keys are real."""
    keys = torch.tensor([[place < length for place in range(7)] for length in LENGTHS])
    return torch.tensor([[True] * 5, [True, False, True, True, False], [True] + [False] * 4, [False] * 5]), keys


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "no-mask"])
def test_mass_equals_the_twin(masked: bool) -> None:
    query, key = torch.randn(4, 3, 5, 2, dtype=torch.float64), torch.randn(4, 3, 7, 2, dtype=torch.float64)
    asked, mask = masks() if masked else (torch.ones(4, 5, dtype=torch.bool), torch.ones(4, 7, dtype=torch.bool))
    found = attention_mass(query, key, asked, mask) if masked else attention_mass(query, key)
    torch.testing.assert_close(found, naive.attention_mass(query, key, asked, mask))


def test_divergence_equals_the_twin_in_value_and_gradient() -> None:
    _, mask = masks()
    scores = torch.randn(4, 3, 7, dtype=torch.float64, requires_grad=True)
    mass = (torch.rand(4, 3, 7, dtype=torch.float64) * mask[:, None]).requires_grad_()
    share = (mass / mass.sum(-1, keepdim=True).clamp(min=1e-9)).detach()
    of_groups = mask[:, None].expand(-1, 3, -1)
    found, expected = mass_divergence(scores, share, of_groups), naive.mass_divergence(scores, share, of_groups)
    torch.testing.assert_close(found, expected)
    upstream = torch.randn_like(found)
    torch.testing.assert_close(*(torch.autograd.grad(each, scores, upstream)[0] for each in (found, expected)))


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e36])
def test_padding_and_extreme_scores_give_numbers(scale: float) -> None:
    _, mask = masks()
    of_groups = mask[:, None].expand(-1, 3, -1)
    scores = (scale * torch.randn(4, 3, 7)).requires_grad_()
    mass = attention_mass(torch.randn(4, 3, 5, 2), torch.randn(4, 3, 7, 2), mask=mask)
    value = mass_divergence(scores, mass, of_groups)
    (gradient,) = torch.autograd.grad(value.sum(), scores)
    assert bool(value.isfinite().all())
    assert bool((value >= -1e-6).all())
    assert bool(gradient.isfinite().all())
    assert not gradient[~of_groups].any()


def test_scores_that_say_the_mass_are_no_way_off() -> None:
    mass = torch.tensor([[[0.5, 0.25, 0.25, 0.0]]])
    assert float(mass_divergence(mass.log().clamp(min=-100), mass)) == pytest.approx(0, abs=1e-6)


@given(st.integers(1, 3), st.integers(0, 9), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_places_are_real_tokens_in_order_spread_evenly(batch: int, length: int, count: int, seed: int) -> None:
    mask = torch.rand(batch, length, generator=torch.Generator().manual_seed(seed)) < 0.6
    places, asked = spread_places(batch, length, count, mask, torch.device("cpu"))
    assert places.shape == asked.shape == (batch, min(count, length))
    for row in range(batch):
        real = mask[row].nonzero().flatten().tolist()
        chosen = places[row][asked[row]].tolist()
        assert len(chosen) == min(count, len(real))
        assert set(chosen) <= set(real)
        ranks = [real.index(place) for place in chosen]
        gaps = [later - earlier for earlier, later in itertools.pairwise(ranks)]
        assert all(gap >= 1 for gap in gaps)
        assert not gaps or max(gaps) - min(gaps) <= 1
    if length:
        everywhere = torch.ones(batch, length, dtype=torch.bool)
        for own, other in zip(
            spread_places(batch, length, count, None, torch.device("cpu")),
            spread_places(batch, length, count, everywhere, torch.device("cpu")),
            strict=True,
        ):
            assert torch.equal(own, other)
