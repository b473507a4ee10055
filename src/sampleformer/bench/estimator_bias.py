"""Bias and variance of each estimator of the choice's gradient, against the exact gradient by enumeration."""

from __future__ import annotations

import math
from typing import TypedDict

import torch
from torch import Tensor

from sampleformer.bench.enumeration import exact_gradient, subsets
from sampleformer.bench.estimator_own import own_gradient
from sampleformer.bench.estimator_problem import Problem, estimate_cost

SIZES = ((6, 2), (6, 3), (8, 3), (8, 4))
"""Tokens, and how many of them are chosen."""
SAME = 1e-9


class Agreement(TypedDict):
    """The mean of the estimates beside a gradient; all lengths are relative to the length of that gradient.

    ``bias`` is the length of the difference and ``chance`` what noise alone would make of it, so that an unbiased
    estimator has a bias near its chance.
    """

    bias: float
    chance: float
    cosine: float


class BiasCell(TypedDict):
    """One estimator on one problem.

    ``spread`` is the standard deviation of an estimate from one draw, relative to the exact gradient's length (for an
    estimate of r draws, √r times its own). ``own`` compares with the gradient of the estimator's own expected loss,
    where training does not see the chosen tokens as they are, else it is the comparison with the exact one. Losses are
    the mean with noise, its exact value for plain sets, and that of the k best; ``loss_spread`` is the standard
    deviation of the plain sets' loss. ``set_z`` is how far the rarest fit of a set's frequency lies from its
    probability, in standard errors: a check of the distribution.
    """

    estimator: str
    n: int
    k: int
    seed: int
    draws: int
    draws_per_estimate: int
    forward: str
    exact: Agreement
    own: Agreement
    spread: float
    noisy_loss: float
    set_loss: float
    evaluation_loss: float
    loss_spread: float
    set_z: float


def measure_bias(choice: str, n: int, k: int, seed: int, draws: int) -> BiasCell:
    """Compares one estimator with the exact gradient on one random problem.

    Args:
        choice: the estimator.
        n: tokens, at most 10.
        k: how many are chosen.
        seed: of the problem and of the noise.
        draws: of the noise.
    """
    problem = Problem(n, k, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    chunks = list(problem.estimates(choice, draws, generator))
    losses, chosen, estimates = (torch.cat(parts) for parts in zip(*chunks, strict=True))
    scores = problem.scores.clone().requires_grad_()
    probabilities, set_losses = problem.probabilities(choice, scores), problem.set_losses()
    exact = exact_gradient(probabilities, set_losses, scores)
    probabilities = probabilities.detach()
    rows = _rows(chosen, n, k)
    plain = bool((losses - set_losses[rows]).abs().max() <= SAME * set_losses.abs().max())
    cost = estimate_cost(choice)
    mean_loss = (probabilities * set_losses).sum()
    of_exact = _agreement(estimates, exact, 0.0)
    own = of_exact
    if not plain:
        gradient, uncertainty = own_gradient(problem, choice, 8 * draws, generator)
        own = _agreement(estimates, gradient, uncertainty)
    return {
        "estimator": choice,
        "n": n,
        "k": k,
        "seed": seed,
        "draws": draws,
        "draws_per_estimate": cost,
        "forward": "chosen tokens" if plain else "its own",
        "exact": of_exact,
        "own": own,
        "spread": math.sqrt(cost * float(estimates.var(0).sum())) / float(exact.norm()),
        "noisy_loss": float(losses.mean()),
        "set_loss": float(mean_loss),
        "evaluation_loss": _evaluation_loss(problem, choice),
        "loss_spread": float((probabilities * (set_losses - mean_loss).square()).sum().sqrt()),
        "set_z": _largest_deviation(rows, probabilities),
    }


def _agreement(estimates: Tensor, gradient: Tensor, uncertainty: float) -> Agreement:
    """The mean of estimates beside a gradient that is known up to a variance."""
    mean, length = estimates.mean(0), float(gradient.norm())
    chance = float(estimates.var(0).sum()) / len(estimates) + uncertainty
    # A mean of zeros has no direction.
    cosine = float(mean @ gradient) / max(float(mean.norm()) * length, torch.finfo(mean.dtype).tiny)
    return {"bias": float((mean - gradient).norm()) / length, "chance": math.sqrt(chance) / length, "cosine": cosine}


def _evaluation_loss(problem: Problem, choice: str) -> float:
    with torch.no_grad():
        return float(problem.losses(problem.layer(choice), problem.scores[None], None)[0])


def _rows(chosen: Tensor, n: int, k: int) -> Tensor:
    """Which of `subsets` each draw chose."""
    sets = subsets(n, k)
    row = torch.full((2**n,), -1)
    row[(2**sets).sum(-1)] = torch.arange(len(sets))
    return row[(2**chosen).sum(-1)]


def _largest_deviation(rows: Tensor, probabilities: Tensor) -> float:
    found = torch.bincount(rows, minlength=len(probabilities)) / len(rows)
    return float(((found - probabilities) / (probabilities * (1 - probabilities) / len(rows)).sqrt()).abs().max())
