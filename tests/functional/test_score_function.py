"""The score function: probabilities against their twin, and the estimate's exact mean."""

import itertools

import pytest
import torch

from sampleformer.functional.score_function import leave_one_out, ordered_log_probability
from tests.naive import estimators as naive


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 1), (6, 3), (4, 4)])
def test_log_probability_equals_its_twin_in_value_and_gradient(n, k):
    scores = (2 * torch.randn(3, n, dtype=torch.float64)).requires_grad_()
    order = torch.stack([torch.randperm(n)[:k] for _ in range(3)])
    results = []
    for out in (
        ordered_log_probability(scores, order),
        torch.stack([naive.ordered_log_probability(*row) for row in zip(scores, order.tolist(), strict=True)]),
    ):
        results.append((out, *torch.autograd.grad(out, scores, torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_probabilities_of_all_orders_add_up_to_one():
    scores = torch.randn(5, dtype=torch.float64)
    orders = torch.tensor(list(itertools.permutations(range(5), 3)))
    total = ordered_log_probability(scores.expand(len(orders), -1), orders).exp().sum()
    torch.testing.assert_close(total, torch.ones((), dtype=torch.float64))


def test_padding_changes_nothing():
    scores = torch.randn(2, 6, dtype=torch.float64)
    mask = torch.tensor([[True] * 4 + [False] * 2, [True, True] + [False] * 4])
    order, valid = torch.tensor([[2, 0, 3], [1, 0, 2]]), torch.tensor([[True, True, True], [True, True, False]])
    for garbage in (torch.nan, torch.inf, 1e30):
        spoilt = scores.masked_fill(~mask, garbage).requires_grad_()
        found = ordered_log_probability(spoilt, order, mask, valid)
        (gradient,) = torch.autograd.grad(found.sum(), spoilt)
        assert bool(gradient.isfinite().all())
        assert not gradient[~mask].any()
        torch.testing.assert_close(found[0], naive.ordered_log_probability(scores[0, :4], [2, 0, 3]))
        torch.testing.assert_close(found[1], naive.ordered_log_probability(scores[1, :2], [1, 0]))


def test_mean_of_the_estimate_over_all_draws_is_the_exact_gradient():
    scores = torch.randn(4, dtype=torch.float64, requires_grad=True)
    orders = list(itertools.permutations(range(4), 2))
    # A loss that depends on the set alone, and on its tokens together.
    losses = torch.tensor([float((3 * a + 3 * b) % 7 + a * b) for a, b in orders], dtype=torch.float64)
    log_probabilities = torch.stack([naive.ordered_log_probability(scores, order) for order in orders])
    exact = torch.autograd.grad((log_probabilities.exp() * losses).sum(), scores, retain_graph=True)[0]
    mean = torch.zeros(4, dtype=torch.float64)
    for one, other in itertools.product(range(len(orders)), repeat=2):
        both = [one, other]
        estimate = leave_one_out(losses[both][:, None], log_probabilities[both][:, None])
        gradient = torch.autograd.grad(estimate, scores, retain_graph=True)[0]
        mean += (log_probabilities[one] + log_probabilities[other]).exp().detach() * gradient
    torch.testing.assert_close(mean, exact, rtol=1e-10, atol=1e-10)


def test_the_baseline_of_a_draw_is_the_mean_of_the_others():
    losses = torch.tensor([[1.0, 5.0], [2.0, 5.0], [6.0, 8.0]])
    log_probabilities = torch.zeros(3, 2, requires_grad=True)
    leave_one_out(losses, log_probabilities).backward()
    expected = torch.tensor([[1 - 4.0, 5 - 6.5], [2 - 3.5, 5 - 6.5], [6 - 1.5, 8 - 5.0]]) / 6
    torch.testing.assert_close(log_probabilities.grad, expected)


def test_one_draw_has_no_baseline():
    with pytest.raises(ValueError, match="losses are of 1 draw, expected at least 2"):
        leave_one_out(torch.zeros(1, 3), torch.zeros(1, 3))
