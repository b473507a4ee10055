"""The gradient of what an estimator's training really minimises, from values of the loss alone."""

from __future__ import annotations

import torch
from torch import Tensor

from sampleformer.bench.estimator_problem import CHUNK, Problem

_STEP = 1e-5


@torch.no_grad()
def own_gradient(problem: Problem, choice: str, draws: int, generator: torch.Generator) -> tuple[Tensor, float]:
    """The gradient of the expected loss of training, with the trace of its covariance: an estimate without bias.

    With ``y = s + g`` the scores with Gumbel noise, training sees a loss ``F(s, y)``, and
    ``∂/∂s_i E F = E[(F − b)(1 − e^{−g_i}) + ∂F/∂s_i at fixed y]``: the first part is the score function of the noise,
    whose density is ``exp(−g − e^{−g})``, with a baseline b from other draws; the second is measured by central
    differences, with the same choice on both sides. Neither uses a gradient that an estimator gives.

    Args:
        problem: with scores and loss.
        choice: the estimator, which draws Gumbel noise alone.
        draws: of the noise for the first part; the baseline and the second part have draws of their own.
        generator: source of randomness.

    Returns:
        The gradient ``(n,)``, and the sum of the variances of its entries.
    """
    layer, of_noise = problem.layer(choice), []

    def losses(scores: Tensor, noise: Tensor) -> Tensor:
        return problem.losses(layer, scores.expand(noise.shape[1], -1), noise)[0]

    noise = problem.noise(layer, CHUNK, generator)
    baseline = losses(problem.scores, noise).mean()
    # A score that moves and noise that moves against it leave y as it is.
    moves = _STEP * torch.eye(problem.n, dtype=noise.dtype)
    at_fixed_noisy_scores = [
        (losses(problem.scores + move, noise - move) - losses(problem.scores - move, noise + move)) / (2 * _STEP)
        for move in moves
    ]
    direct = torch.stack(at_fixed_noisy_scores, dim=1)
    for first in range(0, draws, CHUNK):
        noise = problem.noise(layer, min(CHUNK, draws - first), generator)
        of_noise.append((losses(problem.scores, noise) - baseline)[:, None] * (1 - (-noise[0]).exp()))
    indirect = torch.cat(of_noise)
    variance = sum(float(part.var(0).sum()) / len(part) for part in (direct, indirect))
    return direct.mean(0) + indirect.mean(0), variance
