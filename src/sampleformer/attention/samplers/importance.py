"""SAMSA's sampler: each group of heads keeps the tokens that it finds most important."""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sampleformer.attention.samplers.base import Sampler, noise_dtype
from sampleformer.attention.samplers.choice import Choice, Scores
from sampleformer.attention.samplers.estimators import ESTIMATORS
from sampleformer.attention.samplers.offers import Offers
from sampleformer.attention.samplers.scorer import ImportanceScorer
from sampleformer.distributed import over_shards
from sampleformer.errors import nearest
from sampleformer.functional.sampling import gumbel_noise, uniform_noise
from sampleformer.functional.score_function import ordered_log_probability
from sampleformer.kernels import check_kernel
from sampleformer.tokens import Tokens


class ImportanceSampler(Sampler):
    """The k best of a learned score; in training a sample of k, with a gradient for the scores.

    ``s = scorer(x)``, in training ``s ← s + Gumbel noise``; the k best are chosen. The estimator says how the scores
    get a gradient from that, see `ESTIMATORS`: ``"hard"`` and ``"soft"`` are the publication's, which pairs the k best
    with the next k; others see the next k as slots that count zero times or in part, or need the chosen tokens alone.

    Args:
        width: d, of the tokens.
        groups: g, each with scores and a choice of its own.
        sampled: k, how many tokens a group attends to; all of them if there are fewer.
        choice: the estimator's name in `ESTIMATORS`.
        temperature: T > 0 of the estimator, one for each group.
        learned_temperature: whether T is trained, as ``softplus`` of a parameter.
        extra: learned tokens that join the candidates, so that a head may attend to nothing.
        noise: scale of the noise in training, 1 as published; 0: training chooses what evaluation chooses.
        kernel: of the choice, ``"auto"``, ``"plain"`` or ``"triton"``, see `kernels.use_triton`.

    Raises:
        ValueError: if groups < 1, sampled < 1, temperature <= 0, extra < 0, noise < 0 (or 0 where the choice learns by
            the score function), or the choice or the kernel is unknown.

    Source: SAMSA (arXiv 2408.05391), section 3.

    Example:
        >>> sampler = ImportanceSampler(8, groups=2, sampled=3).eval()
        >>> sampler(Tokens(torch.zeros(1, 5, 8)), None).indices.shape
        torch.Size([1, 2, 3])
    """

    def __init__(
        self,
        width: int,
        groups: int,
        *,
        sampled: int = 256,
        choice: str = "hard",
        temperature: float = 1.0,
        learned_temperature: bool = False,
        extra: int = 0,
        noise: float = 1.0,
        kernel: str = "auto",
    ) -> None:
        super().__init__(groups, sampled, extra=extra, noise=noise)
        check_kernel(kernel)
        if choice not in ESTIMATORS:
            raise ValueError(f"choice is {choice!r}; {nearest(choice, ESTIMATORS)}")
        if noise == 0 and ESTIMATORS[choice].repeats:
            raise ValueError(f"noise is 0, expected more with choice {choice!r}, which learns from how choices differ")
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}, expected more than 0")
        self.choice = choice
        self.estimator = ESTIMATORS[choice].on(kernel)
        self.scorer = ImportanceScorer(width, groups)
        self.first_temperature = temperature
        self.raw_temperature = nn.Parameter(torch.empty(groups), requires_grad=learned_temperature)
        if extra:
            self.extra_score = nn.Parameter(torch.empty(groups, extra))
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        first = self.first_temperature
        nn.init.constant_(self.raw_temperature, first + math.log(-math.expm1(-first)))  # the inverse of softplus
        if self.extra:
            nn.init.zeros_(self.extra_score)

    @property
    def temperature(self) -> Tensor:
        """T of each group, shape ``(g,)``."""
        return F.softplus(self.raw_temperature)

    def draw_noise(self, context: Tokens, generator: torch.Generator | None = None) -> Tensor:
        """Gumbel noise for the score of every candidate, and uniform draws if the estimator wants some.

        Shape ``(draws, b, g, n + extra)``.
        """
        features = context.features
        device, dtype = features.device, noise_dtype(features)

        def draw(length: int) -> Tensor:
            shape = (context.batch, self.groups, length + self.extra)
            gumbel = gumbel_noise(1, *shape, generator=generator, device=device, dtype=dtype)
            if self.estimator.draws == 1:
                return gumbel
            uniform = uniform_noise(self.estimator.draws - 1, *shape, generator=generator, device=device, dtype=dtype)
            return torch.cat([gumbel, uniform])

        return over_shards.drawn(draw, context.length, dim=3)

    def forward(self, context: Tokens, noise: Tensor | None, scores: Tensor | None = None) -> Choice:
        """The k best tokens of each group, as the estimator has it; with pairing, the next k as further candidates.

        Args:
            context, noise: As of `Sampler.forward`.
            scores: What the scorer gave the tokens, ``(b, g, n)``; of the context only its mask is looked at then.
                None: the scorer is asked.
        """
        scores, mask = self.candidates(context, scores)
        # A choice looks at the k best and the next k.
        sizes = {"count": 2 * self.count, "extra": self.extra}
        offers = Offers.of(scores, mask, mask, noise, self.noise_scale, **sizes, kernel=self.estimator.kernel)
        if offers.noise is None:
            choice = self.estimator.evaluate(offers.scores, offers.mask, self.count, self.temperature)
        else:
            temperature = self.annealed(self.temperature)
            choice = self.estimator.train(
                offers.scores, offers.mask, offers.noise, self.noise_scale, self.count, temperature
            )
        choice = offers.placed(choice)
        return replace(choice, scores=Scores(scores, mask, self._log_probability(scores, mask, choice)))

    def candidates(self, context: Tokens, scores: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Scores of all candidates without noise, ``(b, g, n + extra)``, and where there is one; None: everywhere.

        Args:
            context: Tokens to choose from; the learned extra tokens come after them.
            scores: Those of the tokens, if they are known.
        """
        scores = self.scorer(context.features) if scores is None else scores
        mask = None if context.mask is None else context.mask[:, None, :].expand_as(scores)
        if self.extra:
            extra = self.extra_score.to(scores.dtype).expand(context.batch, -1, -1)
            scores = torch.cat([scores, extra], dim=-1)
            mask = None if mask is None else F.pad(mask, (0, self.extra), value=True)
            shard = over_shards.shard_of(context.length)
            if shard is not None:  # they come once, after the tokens of all ranks
                mask = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask
                mask = F.pad(mask[..., : context.length], (0, self.extra), value=shard.is_last)
        return scores, mask

    def _log_probability(self, scores: Tensor, mask: Tensor | None, choice: Choice) -> Tensor | None:
        if not (self.training and self.estimator.repeats):
            return None
        chosen = choice.slots if choice.chosen is None else choice.chosen
        indices = choice.indices[..., :chosen]
        valid = None if choice.valid is None else choice.valid[..., :chosen]
        # Noise of another scale draws as if the scores were divided by it. Without noise the choice is certain, and so
        # it is where all are chosen: their order, which is random, changes nothing.
        noisy = self.noise_scale > 0
        candidates = self._number_of_candidates(scores, mask)
        drawn_by = scores / torch.where(noisy, self.noise_scale, 1)
        each = ordered_log_probability(drawn_by, indices, mask, valid, extra=self.extra)
        return (each * (noisy & (candidates > self.count))).sum(-1)

    def _number_of_candidates(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        """Of all ranks, in each set and group."""
        mask = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask
        return over_shards.summed(mask.sum(-1))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, choice={self.choice}, extra={self.extra}"
