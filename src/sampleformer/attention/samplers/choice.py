"""What a sampler found: the tokens that take part, and how they make the slots that queries see."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sampleformer.functional.pairing import mix_columns, mix_pairs


@dataclass(frozen=True)
class Scores:
    """Scores of the candidates of a choice, for terms of a loss.

    Args:
        values: Scores without noise, float32 or wider, with their gradient, shape ``(b, g, n)``; learned extra tokens
            are the last ones.
        mask: False where a candidate is padding, shape ``(b, g, n)``. None: none is.
        log_probability: Log-probability of having chosen this, in this order, summed over the groups, with a gradient
            for the scores, shape ``(b,)``; zero of a group that could choose nothing else. None but in the training of
            samplers that learn by it.
        divergence: How far the scores are from the attention that each candidate would get, with a gradient for the
            scorer alone, shape ``(b, g)``, see `attention.teaching`. None but where a training asks for it.
    """

    values: Float[Tensor, "b g n"]
    mask: Bool[Tensor, "b g n"] | None = None
    log_probability: Float[Tensor, " b"] | None = None
    divergence: Float[Tensor, "b g"] | None = None


@dataclass(frozen=True)
class Selection:
    """The tokens that each head attended to.

    Args:
        indices: into the tokens attended to, shape ``(b, h, k)``; an index of n or more is a learned extra token.
        valid: False where a slot holds no token, shape ``(b, h, k)``.
        scores: Scores that the tokens were chosen by, of each group of heads. None: there are none.
    """

    indices: Int64[Tensor, "b h k"]
    valid: Bool[Tensor, "b h k"]
    scores: Scores | None = None


@dataclass(frozen=True)
class Choice:
    """The candidates of each group of heads, and how they mix into the k slots that the group's queries attend to.

    Args:
        indices: of the m candidates, shape ``(b, g, m)``; the first k are the tokens chosen. An index of n or more is
            a learned extra token.
        valid: False where a candidate is no token, shape ``(b, g, m)``. None: all are tokens.
        slots: k, at most m.
        mix: makes what the slots hold, ``(b, g, k, c)``, from what the candidates hold, ``(b, g, m, c)``: linear, with
            weights that add up to one, and differentiable in the scores. None: slot i holds candidate i.
        shares: instead of a mix, how much of slot i is candidate k + i, shape ``(b, g, m - k)``; the remainder is
            candidate i.
        presence: how often each slot counts in the weights of the queries, shape ``(b, g, k)``: one where its token was
            chosen, zero where not. Estimators have their gradient through it. None: all count once.
        gate: what the value of each slot is multiplied by, shape ``(b, g, k)``. None: one.
        chosen: how many of the slots, from the first on, hold what was chosen. None: all.
        present: how many of the slots, from the first on, count at all; presence is zero for the others. None: presence
            alone says it.
        scores: Scores of all candidates. None: the sampler has none.
    """

    indices: Int64[Tensor, "b g m"]
    valid: Bool[Tensor, "b g m"] | None
    slots: int
    mix: Callable[[Tensor], Tensor] | None = None
    shares: Float[Tensor, "b g r"] | None = None
    presence: Float[Tensor, "b g k"] | None = None
    gate: Float[Tensor, "b g k"] | None = None
    chosen: int | None = None
    present: int | None = None
    scores: Scores | None = None

    def mixed(self, candidates: Float[Tensor, "b g m c"]) -> Float[Tensor, "b g k c"]:
        """What the slots hold of something that is linear in the candidates: keys, values, terms of pairs."""
        if self.mix is not None:
            return self.mix(candidates)
        return candidates[..., : self.slots, :] if self.shares is None else mix_pairs(candidates, self.shares)

    def mixed_columns(self, of_pairs: Float[Tensor, "b g n m"]) -> Float[Tensor, "b g n k"]:
        """What the slots hold of something that every query and candidate have."""
        if self.mix is not None:
            return self.mix(of_pairs.mT).mT
        return of_pairs[..., : self.slots] if self.shares is None else mix_columns(of_pairs, self.shares)

    @property
    def slots_valid(self) -> Bool[Tensor, "b g k"] | None:
        """Whether each slot holds a token; None: all do."""
        return None if self.valid is None else self.valid[..., : self.slots]

    def selection(self, heads: int) -> Selection:
        """The tokens chosen, for each head of the groups."""
        chosen = self.slots if self.chosen is None else self.chosen
        indices = self.indices[..., :chosen]
        valid = torch.ones_like(indices, dtype=torch.bool) if self.valid is None else self.valid[..., :chosen]
        return Selection(_for_each_head(indices, heads), _for_each_head(valid, heads), self.scores)


def _for_each_head(of_groups: Tensor, heads: int) -> Tensor:
    batch, groups, slots = of_groups.shape
    return of_groups[:, :, None].expand(batch, groups, heads // groups, slots).flatten(1, 2)
