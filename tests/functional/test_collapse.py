"""Measures of collapse against their slow twins, and at their ends."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sampleformer.functional.collapse import score_entropy, score_load
from tests.naive import collapse as naive

LENGTHS = (7, 3, 1, 0)
measures = pytest.mark.parametrize(
    ("measure", "twin"),
    [(score_entropy, naive.score_entropy), (score_load, naive.score_load)],
    ids=["entropy", "load"],
)


def scores_and_mask(groups: int = 3) -> tuple[Tensor, Tensor]:
    mask = torch.tensor([[place < length for place in range(7)] for length in LENGTHS])
    return torch.randn(len(LENGTHS), groups, 7, dtype=torch.float64), mask[:, None].expand(-1, groups, -1)


@measures
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "no-mask"])
def test_value_and_gradient_equal_the_twin(measure: Callable, twin: Callable, masked: bool) -> None:
    scores, mask = scores_and_mask()
    scores.requires_grad_()
    found = measure(scores, mask if masked else None)
    expected = twin(scores, mask if masked else torch.ones_like(mask))
    torch.testing.assert_close(found, expected)
    upstream = torch.randn_like(found)
    torch.testing.assert_close(*(torch.autograd.grad(each, scores, upstream)[0] for each in (found, expected)))


@measures
def test_gradient_is_the_true_one(measure: Callable, twin: Callable) -> None:
    scores, mask = scores_and_mask()
    assert torch.autograd.gradcheck(lambda given: measure(given, mask), scores.requires_grad_())


@measures
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_padding_and_extreme_scores_give_numbers(measure: Callable, twin: Callable, scale: float) -> None:
    scores, mask = scores_and_mask()
    scores = (scale * scores).float().requires_grad_()
    value = measure(scores, mask)
    (gradient,) = torch.autograd.grad(value.sum(), scores)
    assert bool(value.isfinite().all())
    assert bool(gradient.isfinite().all())
    assert not gradient[~mask].any()
    other = torch.where(mask, scores, 77.0)
    assert torch.equal(measure(other, mask), value)


def test_ends_of_the_entropy() -> None:
    even, one = torch.zeros(1, 1, 8), torch.zeros(1, 1, 8)
    one[..., 3] = 100
    assert score_entropy(even).item() == pytest.approx(1)
    assert score_entropy(one).item() == pytest.approx(0, abs=1e-6)


def test_ends_of_the_load() -> None:
    apart, together = torch.zeros(1, 8, 8), torch.zeros(1, 8, 8)
    apart[0].fill_diagonal_(100)
    together[..., 3] = 100
    assert score_load(apart).item() == pytest.approx(0, abs=1e-6)  # each head has a token of its own
    assert score_load(together).item() == pytest.approx(7)
