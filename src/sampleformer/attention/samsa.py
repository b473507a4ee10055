"""SAMSA: every head attends to the tokens that it finds most important."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sampleformer.attention.base import Attention, Selection
from sampleformer.attention.scorer import ImportanceScorer
from sampleformer.errors import nearest
from sampleformer.functional.sampling import choose_hard, choose_soft, gumbel_noise, gumbel_topk
from sampleformer.functional.tracing import is_exporting
from sampleformer.tokens import Tokens

CHOICES = {"soft": choose_soft, "hard": choose_hard}


class SamsaAttention(Attention):
    """Softmax attention of all tokens over k of them, chosen by each head with a learned score: cost O(n·k).

    ``s = scorer(x)``; in training ``s ← s + Gumbel noise``. The k best tokens (top) are paired with the next k (rest):
    the choice is soft (a mixture) or hard (top itself, with the mixture's gradient for the scores). Then
    ``softmax(q kᵀ / √e) v`` over the chosen keys and values. Tokens are chosen first and projected afterwards, so only
    2k of them (k in evaluation with a hard choice) ever get a key and a value.

    Args:
        width: d, of the tokens.
        heads: h, must divide the width; each chooses its own tokens.
        sampled: k, how many tokens a head attends to; all of them if there are fewer.
        choice: ``"hard"`` or ``"soft"``.
        temperature: T > 0 of the pairing, one for each head.
        learned_temperature: whether T is trained, as ``softplus`` of a parameter.
        extra: learned tokens (score, key and value for each head) that join the candidates, so that a head may attend
            to nothing. The publication always has 2k of them.
        norm: applied to the features before the projections, not before the scorer.
        bias: whether the projections have one.

    Raises:
        ValueError: if sampled < 1, temperature <= 0, extra < 0, or the choice is unknown; and as `Attention`.

    Source: SAMSA (arXiv 2408.05391), section 3. Unlike the published code, evaluation is without noise and dropout.

    Example:
        >>> attention = SamsaAttention(8, 2, sampled=3).eval()
        >>> result, selection = attention(Tokens(torch.zeros(1, 5, 8)), return_selection=True)
        >>> result.shape, selection.indices.shape
        (torch.Size([1, 5, 8]), torch.Size([1, 2, 3]))
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        sampled: int = 256,
        choice: str = "hard",
        temperature: float = 1.0,
        learned_temperature: bool = False,
        extra: int = 0,
        norm: nn.Module | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__(width, heads, norm=norm, bias=bias)
        if sampled < 1:
            raise ValueError(f"sampled is {sampled}, expected at least 1")
        if choice not in CHOICES:
            raise ValueError(f"choice is {choice!r}; {nearest(choice, CHOICES)}")
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}, expected more than 0")
        if extra < 0:
            raise ValueError(f"extra is {extra}, expected at least 0")
        self.sampled = sampled
        self.choice = choice
        self.extra = extra
        self.scorer = ImportanceScorer(width, heads)
        inverse_softplus = temperature + math.log(-math.expm1(-temperature))
        self.raw_temperature = nn.Parameter(torch.full((heads,), inverse_softplus), requires_grad=learned_temperature)
        if extra:
            self.extra_score = nn.Parameter(torch.zeros(heads, extra))
            self.extra_key_value = nn.Parameter(torch.randn(heads, extra, 2 * width // heads))

    @property
    def temperature(self) -> Tensor:
        """T of each head, shape ``(h,)``."""
        return F.softplus(self.raw_temperature)

    def draw_noise(
        self, tokens: Tokens, context: Tokens | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Gumbel noise for the score of every candidate, shape ``(b, h, n + extra)``."""
        features = (tokens if context is None else context).features
        shape = (features.shape[0], self.heads, features.shape[1] + self.extra)
        dtype = torch.float64 if features.dtype == torch.float64 else torch.float32
        return gumbel_noise(*shape, generator=generator, device=features.device, dtype=dtype)

    def keys_and_values(self, context: Tokens, noise: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None, Selection]:
        """Keys and values of the chosen tokens."""
        scores, mask = self._candidates(context)
        if noise is not None:
            scores = scores + noise
        pairs = self.training or self.choice == "soft"
        slots = 2 * self.sampled if pairs else self.sampled
        indices, valid = gumbel_topk(scores, slots, mask=mask)
        if is_exporting():
            indices, valid = _filled(indices, valid, slots)
        chosen = self._project(context, indices)
        if pairs:
            chosen = self._choose(chosen, scores.gather(-1, indices), valid)
        indices = indices[..., : self.sampled]
        valid = None if valid is None else valid[..., : self.sampled]
        key, value = chosen.chunk(2, dim=-1)
        all_valid = torch.ones_like(indices, dtype=torch.bool) if valid is None else valid
        return key, value, valid, Selection(indices, all_valid)

    def _candidates(self, context: Tokens) -> tuple[Tensor, Tensor | None]:
        scores = self.scorer(context.features)
        mask = None if context.mask is None else context.mask[:, None, :].expand_as(scores)
        if self.extra:
            extra = self.extra_score.to(scores.dtype).expand(context.batch, -1, -1)
            scores = torch.cat([scores, extra], dim=-1)
            mask = None if mask is None else F.pad(mask, (0, self.extra), value=True)
        return scores, mask

    def _project(self, context: Tokens, indices: Tensor) -> Tensor:
        """Each head's slice of the key and value projection, for the tokens that this head chose: (b, h, m, 2e)."""
        batch, length, width = context.features.shape
        first = torch.arange(batch, device=indices.device)[:, None, None] * length
        rows = (indices.clamp(max=length - 1) + first).transpose(0, 1).flatten(1)
        # A look-up with its own fast backward, unlike gather's.
        tokens = self.norm(F.embedding(rows, context.features.flatten(0, 1)))
        weight = self.key_value.weight.view(2, self.heads, -1, width).transpose(0, 1).flatten(1, 2)
        chosen = tokens @ weight.transpose(1, 2)
        if self.key_value.bias is not None:
            chosen = chosen + self.key_value.bias.view(2, self.heads, -1).transpose(0, 1).flatten(1)[:, None, :]
        chosen = chosen.unflatten(1, (batch, -1)).transpose(0, 1)
        if self.extra:
            slots = (indices - length).clamp(min=0)[..., None].expand_as(chosen)
            learned = self.extra_key_value.to(chosen.dtype).expand(batch, -1, -1, -1).gather(2, slots)
            chosen = torch.where((indices < length)[..., None], chosen, learned)
        return chosen

    def _choose(self, chosen: Tensor, scores: Tensor, valid: Tensor | None) -> Tensor:
        k = self.sampled
        top_valid, rest_valid = (None, None) if valid is None else (valid[..., :k], valid[..., k:])
        choose = CHOICES[self.choice]
        return choose(
            chosen[..., :k, :],
            chosen[..., k:, :],
            scores[..., :k],
            scores[..., k:],
            self.temperature.to(scores.dtype),
            top_valid,
            rest_valid,
        )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, sampled={self.sampled}, choice={self.choice}, extra={self.extra}"


def _filled(indices: Tensor, valid: Tensor | None, slots: int) -> tuple[Tensor, Tensor]:
    # An exported program has one shape of the choice for every length: sets smaller than that get invalid slots.
    if valid is None:
        valid = torch.ones_like(indices, dtype=torch.bool)
    missing = slots - indices.shape[-1]
    return F.pad(indices, (0, missing)), F.pad(valid, (0, missing), value=False)
