"""SFT's sampler: one choice for all heads, each chosen token mixed with one that was nearly chosen."""

import math

import torch
from torch import Tensor, nn

from sampleformer.attention.samplers.base import Sampler, best_candidates, noise_dtype
from sampleformer.attention.samplers.choice import Choice, Scores
from sampleformer.attention.samplers.offers import Offers
from sampleformer.distributed import over_shards
from sampleformer.functional.pairing import pair_shares
from sampleformer.functional.sampling import gumbel_noise, uniform_noise
from sampleformer.kernels import check_kernel
from sampleformer.modules import linear_in_precision_of
from sampleformer.norms import LayerNorm
from sampleformer.tokens import Tokens
from sampleformer.tracing import without_autocast


class PairSampler(Sampler):
    """The k best of a learned score, each mixed with one of the next k by their scores.

    ``s = Linear(LayerNorm(x)) / √2``, in training ``s ← s + Gumbel noise``. Slot i holds
    ``(softplus(s_top) top + softplus(s_rest) rest) / (softplus(s_top) + softplus(s_rest))``. In evaluation top i is
    paired with rest i; in training the pairs are drawn at random, and a random share of the tokens cannot be chosen.
    `noise_scale` scales all three: the Gumbel noise, the share that cannot be chosen, and how far a partner may be from
    its place. At zero training does what evaluation does.

    Args:
        width: d, of the tokens.
        groups: g, each with scores and a choice of its own; the publication has one for all heads.
        sampled: k, how many tokens a group attends to; all of them if there are fewer.
        token_dropout: probability that a token cannot be chosen in a training pass. A set whose tokens are all dropped
            keeps them.
        kernel: of the choice, ``"auto"``, ``"plain"`` or ``"triton"``, see `kernels.use_triton`.

    Raises:
        ValueError: if groups < 1, sampled < 1, token_dropout is outside [0, 1) or the kernel is unknown.

    Source: SFT (arXiv 2408.05822), section 3. Unlike the published code, evaluation is without noise, token dropout and
    random pairs.

    Example:
        >>> sampler = PairSampler(8, sampled=2).eval()
        >>> choice = sampler(Tokens(torch.zeros(1, 5, 8)), None)
        >>> choice.indices, choice.slots
        (tensor([[[0, 1, 2, 3]]]), 2)
    """

    def __init__(
        self,
        width: int,
        groups: int = 1,
        *,
        sampled: int = 256,
        token_dropout: float = 0.0,
        kernel: str = "auto",
    ) -> None:
        super().__init__(groups, sampled)
        check_kernel(kernel)
        if not 0 <= token_dropout < 1:
            raise ValueError(f"token_dropout is {token_dropout}, expected at least 0 and less than 1")
        self.token_dropout = token_dropout
        self.kernel = kernel
        self.norm = LayerNorm(width)
        self.score = nn.Linear(width, groups)

    def draw_noise(self, context: Tokens, generator: torch.Generator | None = None) -> Tensor:
        """Shape ``(3, b, g, n)``: Gumbel noise of the scores, then uniform draws for token dropout and for pairing."""
        features = context.features
        device, dtype = features.device, noise_dtype(features)

        def draw(length: int) -> Tensor:
            shape = (context.batch, self.groups, length)
            gumbel = gumbel_noise(1, *shape, generator=generator, device=device, dtype=dtype)
            uniform = uniform_noise(2, *shape, generator=generator, device=device, dtype=dtype)
            return torch.cat([gumbel, uniform])

        return over_shards.drawn(draw, context.length, dim=3)

    def forward(self, context: Tokens, noise: Tensor | None) -> Choice:
        """The k best tokens of each group, and the next k as their partners."""
        scores = self._scores(context.features)
        mask = real = None if context.mask is None else context.mask[:, None, :].expand_as(scores)
        if noise is not None:
            mask = self._without_dropped(mask, noise[1])
        offers = Offers.of(scores, mask, real, noise, self.noise_scale, 2 * self.count, kernel=self.kernel)
        noisy = offers.scores if offers.noise is None else offers.scores + self.scaled(offers.noise[0])
        indices, valid = best_candidates(noisy, 2 * self.count, offers.mask, kernel=self.kernel)
        slots = min(self.count, indices.shape[-1])
        if offers.noise is not None:
            indices = self._in_random_order(indices, slots, valid, offers.noise[2])
        found = noisy.gather(-1, indices)
        top_valid, rest_valid = (None, None) if valid is None else (valid[..., :slots], valid[..., slots:])
        shares = pair_shares(found[..., :slots], found[..., slots:], top_valid, rest_valid)
        return offers.placed(Choice(indices, valid, slots, shares=shares, scores=Scores(scores, real)))

    def _scores(self, features: Tensor) -> Tensor:
        wide = torch.promote_types(features.dtype, torch.float32)
        with without_autocast(features):
            scores = linear_in_precision_of(self.norm(features).to(wide), self.score)
        return scores.transpose(1, 2) / math.sqrt(2)

    def _without_dropped(self, mask: Tensor | None, dropout: Tensor) -> Tensor | None:
        if self.token_dropout == 0:
            return mask
        kept = dropout >= self.token_dropout * self._randomness(dropout)
        kept = kept if mask is None else kept & mask
        everything = torch.ones_like(kept) if mask is None else mask
        return torch.where(over_shards.any_of(kept.any(-1, keepdim=True)), kept, everything)

    def _randomness(self, uniform: Tensor) -> Tensor:
        """How much of what is drawn uniformly counts, from 0 to 1."""
        return self.noise_scale.clamp(max=1).to(uniform.dtype)

    def _in_random_order(self, indices: Tensor, slots: int, valid: Tensor | None, uniform: Tensor) -> Tensor:
        # Rest stays in order and top is shuffled, which draws the pairs. Invalid ones stay where they are, at the end.
        top = indices[..., :slots]
        places = torch.arange(slots, device=top.device, dtype=uniform.dtype) / slots
        keys = torch.lerp(places, uniform.gather(-1, top), self._randomness(uniform))
        if valid is not None:
            keys = keys.masked_fill(~valid[..., :slots], torch.inf)
        order = keys.argsort(dim=-1, stable=True)
        return torch.cat([top.gather(-1, order), indices[..., slots:]], dim=-1)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, token_dropout={self.token_dropout}"
