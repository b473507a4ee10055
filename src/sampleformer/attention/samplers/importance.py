"""SAMSA's sampler: each group of heads keeps the tokens that it finds most important."""

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sampleformer.attention.samplers.base import Sampler, best_candidates, noise_dtype
from sampleformer.attention.samplers.choice import Choice
from sampleformer.attention.samplers.scorer import ImportanceScorer
from sampleformer.errors import nearest
from sampleformer.functional.sampling import gumbel_noise
from sampleformer.kernels import check_kernel
from sampleformer.kernels.choice import choose_hard, choose_soft
from sampleformer.tokens import Tokens

CHOICES = {"soft": choose_soft, "hard": choose_hard}


class ImportanceSampler(Sampler):
    """The k best of a learned score; in training a sample of k, with a gradient for the scores.

    ``s = scorer(x)``, in training ``s ← s + Gumbel noise``. The k best tokens (top) are paired with the next k (rest):
    the choice is soft (a mixture) or hard (top itself, with the mixture's gradient for the scores). With a hard choice
    evaluation needs no rest.

    Args:
        width: d, of the tokens.
        groups: g, each with scores and a choice of its own.
        sampled: k, how many tokens a group attends to; all of them if there are fewer.
        choice: ``"hard"`` or ``"soft"``.
        temperature: T > 0 of the pairing, one for each group.
        learned_temperature: whether T is trained, as ``softplus`` of a parameter.
        extra: learned tokens that join the candidates, so that a head may attend to nothing.
        kernel: of the choice, ``"auto"``, ``"plain"`` or ``"triton"``, see `kernels.use_triton`.

    Raises:
        ValueError: if groups < 1, sampled < 1, temperature <= 0, extra < 0, or the choice or the kernel is unknown.

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
        kernel: str = "auto",
    ) -> None:
        super().__init__(groups, sampled, extra=extra)
        check_kernel(kernel)
        if choice not in CHOICES:
            raise ValueError(f"choice is {choice!r}; {nearest(choice, CHOICES)}")
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}, expected more than 0")
        self.choice = choice
        self.kernel = kernel
        self.scorer = ImportanceScorer(width, groups)
        inverse_softplus = temperature + math.log(-math.expm1(-temperature))
        self.raw_temperature = nn.Parameter(torch.full((groups,), inverse_softplus), requires_grad=learned_temperature)
        if extra:
            self.extra_score = nn.Parameter(torch.zeros(groups, extra))

    @property
    def temperature(self) -> Tensor:
        """T of each group, shape ``(g,)``."""
        return F.softplus(self.raw_temperature)

    def draw_noise(self, context: Tokens, generator: torch.Generator | None = None) -> Tensor:
        """Gumbel noise for the score of every candidate, shape ``(b, g, n + extra)``."""
        features = context.features
        shape = (context.batch, self.groups, context.length + self.extra)
        return gumbel_noise(*shape, generator=generator, device=features.device, dtype=noise_dtype(features))

    def forward(self, context: Tokens, noise: Tensor | None) -> Choice:
        """The k best tokens of each group; with pairing, the next k as further candidates."""
        scores, mask = self._candidates(context)
        pairs = self.training or self.choice == "soft"
        count = (2 if pairs else 1) * self.sampled
        indices, valid = best_candidates(scores, count, mask, noise=noise, kernel=self.kernel)
        found = scores.gather(-1, indices)
        found = found if noise is None else found + noise.gather(-1, indices)
        mix = functools.partial(self._mix, found, valid) if pairs else None
        return Choice(indices, valid, min(self.sampled, indices.shape[-1]), mix)

    def _candidates(self, context: Tokens) -> tuple[Tensor, Tensor | None]:
        scores = self.scorer(context.features)
        mask = None if context.mask is None else context.mask[:, None, :].expand_as(scores)
        if self.extra:
            extra = self.extra_score.to(scores.dtype).expand(context.batch, -1, -1)
            scores = torch.cat([scores, extra], dim=-1)
            mask = None if mask is None else F.pad(mask, (0, self.extra), value=True)
        return scores, mask

    def _mix(self, scores: Tensor, valid: Tensor | None, candidates: Tensor) -> Tensor:
        k = self.sampled
        top_valid, rest_valid = (None, None) if valid is None else (valid[..., :k], valid[..., k:])
        return CHOICES[self.choice](
            candidates[..., :k, :],
            candidates[..., k:, :],
            scores[..., :k],
            scores[..., k:],
            self.temperature.to(scores.dtype),
            top_valid,
            rest_valid,
            kernel=self.kernel,
        )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, choice={self.choice}, extra={self.extra}"
