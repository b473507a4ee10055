"""A layer so small that everything it may choose can be enumerated, and the gradients that estimators give it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sampleformer.attention import SamsaAttention
from sampleformer.attention.samplers import Selection
from sampleformer.attention.samplers.estimators import ESTIMATORS, Simple
from sampleformer.bench.enumeration import candidate_probabilities, subsets, topk_probabilities
from sampleformer.functional.score_function import leave_one_out
from sampleformer.tokens import Tokens

WIDTH, HEADS = 8, 2
CHUNK = 4096
PAIR = 2
"""Draws of one estimate, where the loss itself enters the gradient."""


class _FixedScores(nn.Module):
    """In the place of a scorer: scores that are given."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, features: Tensor) -> Tensor:
        return self.scores


@dataclass(frozen=True)
class Problem:
    """A random layer, random tokens and a random loss of the layer's output, in float64.

    The loss of one draw is the mean square of output minus target. One choice is made for both heads.

    Args:
        n: tokens.
        k: how many are chosen.
        seed: of everything in it.
    """

    n: int
    k: int
    seed: int

    features: Tensor = field(init=False, repr=False, compare=False)
    target: Tensor = field(init=False, repr=False, compare=False)
    scores: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        for name, size in (("features", (self.n, WIDTH)), ("target", (self.n, WIDTH)), ("scores", (self.n,))):
            object.__setattr__(self, name, torch.randn(size, generator=generator, dtype=torch.float64))

    def layer(self, choice: str) -> SamsaAttention:
        """The layer with an estimator, the same weights for each."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            made = SamsaAttention(WIDTH, HEADS, sampled=self.k, groups=1, choice=choice).double()
            for projection in (made.query, made.key_value, made.output):
                nn.init.normal_(projection.weight, std=WIDTH**-0.5)  # scores of pairs of variance 1
        return made

    def losses(self, layer: SamsaAttention, scores: Tensor, noise: Tensor | None) -> tuple[Tensor, Selection]:
        """The loss of each draw, shape ``(r,)``, and what it chose, by which scores.

        Args:
            layer: from `layer`.
            scores: of each draw, shape ``(r, n)``.
            noise: of each draw, shape ``(draws, r, n)``; None: evaluation.
        """
        layer.train(noise is not None)
        layer.sampler.scorer = _FixedScores(scores[:, None])
        tokens = Tokens(self.features.expand(len(scores), -1, -1))
        given = None if noise is None else (noise[:, :, None], None)
        output, selection = layer(tokens, noise=given, return_selection=True)
        return (output - self.target).square().mean((1, 2)), selection

    def set_losses(self) -> Tensor:
        """The loss of each of `subsets` where just these tokens are attended to, shape ``(S,)``."""
        members = torch.zeros(len(subsets(self.n, self.k)), self.n, dtype=torch.float64)
        members.scatter_(1, subsets(self.n, self.k), 1)
        with torch.no_grad():
            return self.losses(self.layer("hard"), members, None)[0]

    def probabilities(self, choice: str, scores: Tensor) -> Tensor:
        """How probable an estimator's training makes each of `subsets`."""
        if isinstance(ESTIMATORS[choice], Simple):
            return candidate_probabilities(scores, self.k)
        return topk_probabilities(scores, self.k)

    def noise(self, layer: SamsaAttention, draws: int, generator: torch.Generator) -> Tensor:
        """The random numbers of so many draws, ``(numbers, draws, n)``."""
        tokens = Tokens(self.features.expand(draws, -1, -1))
        drawn = layer.sampler.draw_noise(tokens, generator)
        assert drawn is not None
        return drawn[:, :, 0]

    def estimates(self, choice: str, draws: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Losses ``(r,)``, tokens chosen ``(r, k)`` and gradients of the scores ``(r / cost, n)``, chunk by chunk.

        Args:
            choice: the estimator.
            draws: in all; an estimate that needs several draws is made of as many, and what is left over of none.
            generator: source of randomness.
        """
        layer, cost = self.layer(choice), estimate_cost(choice)
        draws -= draws % cost
        for first in range(0, draws, CHUNK):
            count = min(CHUNK, draws - first)
            scores = self.scores.expand(count, -1).clone().requires_grad_()
            noise = self.noise(layer, count, generator)
            losses, selection = self.losses(layer, scores, noise)
            objective = losses.sum() / cost
            if cost > 1:
                assert selection.scores is not None
                probability = selection.scores.log_probability
                assert probability is not None
                term = leave_one_out(losses.view(cost, -1), probability.view(cost, -1))
                objective = objective + term * (count // cost)
            (gradients,) = torch.autograd.grad(objective, scores)
            yield losses.detach(), selection.indices[:, 0], gradients.view(cost, -1, self.n).sum(0)


def estimate_cost(choice: str) -> int:
    """Draws that one estimate of the gradient takes."""
    return PAIR if ESTIMATORS[choice].repeats else 1
