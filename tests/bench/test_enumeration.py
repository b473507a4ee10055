"""Subsets with their probabilities, against values by hand, and estimators against the gradient that follows."""

import itertools

import pytest
import torch

from sampleformer.attention.samplers.estimators import ESTIMATORS
from sampleformer.bench.enumeration import (
    candidate_probabilities,
    conditional_probabilities,
    exact_gradient,
    subsets,
    topk_probabilities,
)
from sampleformer.bench.estimator_bias import SIZES, measure_bias
from sampleformer.bench.estimator_own import own_gradient
from sampleformer.bench.estimator_problem import CHUNK, Problem
from sampleformer.functional.sampling import gumbel_noise, gumbel_topk

ODDS = torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)


def close(found: torch.Tensor, expected: list[float], atol: float = 1e-12) -> None:
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=atol)


def test_subsets() -> None:
    assert subsets(4, 2).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    with pytest.raises(ValueError, match="n and k are 11 and 2, expected 1 <= k <= n <= 10"):
        subsets(11, 2)


def test_draws_without_replacement_by_hand() -> None:
    # First 3/6, 2/6 or 1/6, then among the two that are left.
    by_hand = [3 / 6 * 2 / 3 + 2 / 6 * 3 / 4, 3 / 6 * 1 / 3 + 1 / 6 * 3 / 5, 2 / 6 * 1 / 4 + 1 / 6 * 2 / 5]
    close(topk_probabilities(ODDS.log(), 2), by_hand)
    close(topk_probabilities(ODDS.log() + 5, 3), [1.0])


def test_independent_draws_given_their_number_by_hand() -> None:
    close(conditional_probabilities(ODDS.log(), 2), [6 / 11, 3 / 11, 2 / 11])


def test_candidates_first_by_hand() -> None:
    # Two candidates of three tokens, then one of the two by its odds.
    pairs = topk_probabilities(ODDS.log(), 2).tolist()
    first = pairs[0] * 3 / 5 + pairs[1] * 3 / 4
    second = pairs[0] * 2 / 5 + pairs[2] * 2 / 3
    close(candidate_probabilities(ODDS.log(), 1), [first, second, 1 - first - second])
    close(candidate_probabilities(ODDS.log(), 2, temperature=0.5), [36 / 49, 9 / 49, 4 / 49])


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_probabilities_add_up_to_one(n: int, k: int) -> None:
    scores = torch.randn(n, dtype=torch.float64)
    for probabilities in (topk_probabilities, conditional_probabilities, candidate_probabilities):
        found = probabilities(scores, k)
        assert len(found) == len(list(itertools.combinations(range(n), k)))
        assert found.sum().item() == pytest.approx(1, abs=1e-12)


def test_gumbel_topk_draws_so_often() -> None:
    scores = torch.tensor([1.0, 0.0, -1.0, 0.5], dtype=torch.float64)
    noise = gumbel_noise(40_000, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    chosen = gumbel_topk(scores.expand(40_000, -1), 2, noise=noise)[0].sort(-1).values
    found = torch.stack([(chosen == members).all(-1).double().mean() for members in subsets(4, 2)])
    torch.testing.assert_close(found, topk_probabilities(scores, 2), rtol=0, atol=4 * 0.5 / 200)


def test_the_gradient_of_the_expected_loss() -> None:
    scores = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    losses = torch.tensor([3.0, 1.0], dtype=torch.float64)
    close(exact_gradient(topk_probabilities(scores, 1), losses, scores), [0.5, -0.5])  # p (1 − p) times the difference


def test_the_score_function_has_no_bias() -> None:
    found = measure_bias("score_function", 6, 2, seed=0, draws=20_000)
    assert (found["forward"], found["draws_per_estimate"]) == ("chosen tokens", 2)
    # Six entries: a mean square of six independent ones, each of variance 1, is beyond 9/4 once in 36.
    assert found["exact"]["bias"] < 2 * found["exact"]["chance"]
    assert found["exact"]["cosine"] > 0.98
    assert found["own"] == found["exact"]


@pytest.mark.parametrize(("draws", "pairs"), [(7, [3]), (CHUNK + 1, [CHUNK // 2])])
def test_a_draw_without_a_second_makes_no_estimate(draws: int, pairs: list[int]) -> None:
    found = Problem(6, 2, seed=0).estimates("score_function", draws, torch.Generator().manual_seed(0))
    assert [len(gradients) for _, _, gradients in found] == pairs


def test_the_pairing_has_one() -> None:
    found = measure_bias("hard", 6, 2, seed=0, draws=4000)
    assert found["exact"]["bias"] > 10 * found["exact"]["chance"]
    assert found["noisy_loss"] == pytest.approx(found["set_loss"], abs=5 * found["loss_spread"] / 4000**0.5)


@pytest.mark.parametrize("choice", [name for name, each in ESTIMATORS.items() if each.learns])
def test_every_estimator_draws_as_often_as_it_is_compared(choice: str) -> None:
    found = measure_bias(choice, 6, 2, seed=3, draws=4000)
    assert found["set_z"] < 4.5  # of 15 subsets
    assert found["spread"] > 0
    assert -1 <= found["exact"]["cosine"] <= 1


def test_the_own_gradient_of_plain_sets_is_the_exact_one() -> None:
    problem = Problem(6, 2, seed=1)
    scores = problem.scores.clone().requires_grad_()
    exact = exact_gradient(problem.probabilities("hard", scores), problem.set_losses(), scores)
    found, variance = own_gradient(problem, "hard", 100_000, torch.Generator().manual_seed(0))
    assert (found - exact).norm() < 2 * variance**0.5
    assert variance**0.5 < 0.1 * exact.norm()


def test_the_own_gradient_of_gates_holds_what_gates_do() -> None:
    problem = Problem(4, 2, seed=1)
    scores = problem.scores.clone().requires_grad_()
    layer = problem.layer("gated")
    sets = subsets(4, 2)
    # Noise that forces each subset, while the gates see the scores: their gradient is autograd's own.
    noise = torch.zeros(1, len(sets), 4, dtype=torch.float64).scatter_(2, sets[None], 50.0)
    losses, _ = problem.losses(layer, scores.expand(len(sets), -1), noise)
    (exact,) = torch.autograd.grad((problem.probabilities("gated", scores) * losses).sum(), scores)
    found, variance = own_gradient(problem, "gated", 100_000, torch.Generator().manual_seed(0))
    assert (found - exact).norm() < 2 * variance**0.5
    assert variance**0.5 < 0.1 * exact.norm()
