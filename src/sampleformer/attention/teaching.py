"""What teaches a scorer directly: the attention that each token would get if all were attended to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from sampleformer.attention.attending import split_heads
from sampleformer.attention.mixings import ScoredMixing
from sampleformer.attention.samplers import ImportanceSampler
from sampleformer.distributed.token_shards import refuse_shards
from sampleformer.functional.attention_mass import attention_mass, mass_divergence, spread_places
from sampleformer.functional.gathering import rows_at
from sampleformer.tokens import Tokens

if TYPE_CHECKING:
    from sampleformer.attention.base import Attention


def can_be_taught(attention: Attention) -> bool:
    """Whether an attention has a score for each token, and full attention of its kind is softmax of the dot product."""
    mixing = attention.mixing
    return (
        isinstance(attention.sampler, ImportanceSampler)
        and isinstance(mixing, ScoredMixing)
        and (mixing.score, mixing.probability) == ("scaled_dot", "softmax")
        and attention.relative is None
    )


def score_divergence(
    attention: Attention, norm: Callable[[Tensor], Tensor], scored: Tokens, tokens: Tokens, context: Tokens
) -> Float[Tensor, "b g"]:
    """KL divergence of the scores of an attention from the attention mass that some queries would give to all tokens.

    ``KL(p ‖ softmax(s))`` with p the mean over the heads of a group and over ``m = attention.taught_by`` queries, which
    are spread evenly over the real tokens. Queries, keys and the features that are scored are taken as they are: only
    the scorer (and scores of extra tokens) gets a gradient, as published. Cost: keys of all n tokens, and m·n scores a
    head.

    Args:
        attention: One that `can_be_taught`.
        norm: Norm before the projections, token by token.
        scored: Tokens that the sampler chooses from.
        tokens: Tokens that attend.
        context: What they attend to: those that are scored, perhaps with other features.

    Raises:
        InputError: if ranks share the tokens.

    Source: DeepSeek-AI 2025, DeepSeek-V3.2 (arXiv 2512.02556), section 2.1, which asks all tokens.
    """
    sampler = attention.sampler
    assert isinstance(sampler, ImportanceSampler)
    refuse_shards("score_mass, whose queries are spread over all tokens")
    scores, mask = sampler.candidates(scored.with_features(scored.features.detach()))
    with torch.no_grad():
        batch, length = tokens.batch, tokens.length
        places, asked = spread_places(batch, length, attention.taught_by, tokens.mask, tokens.features.device)
        query = split_heads(attention.query(norm(rows_at(tokens.features, places))), attention.heads)
        key = split_heads(attention.key_value(norm(context.features)).chunk(2, dim=-1)[0], attention.heads)
        key, real = _with_extra(attention, key, context.mask)
        mass = attention_mass(query, key, asked, real)
    return mass_divergence(scores, mass.unflatten(1, (sampler.groups, -1)).mean(2), mask)


def _with_extra(attention: Attention, key: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Keys of each head with those of the learned extra tokens after them, and which are real."""
    extra = attention.sampler.extra
    if not extra:
        return key, mask
    groups, width = attention.sampler.groups, key.shape[-1]
    carried = attention.extra_key_value.unflatten(-1, (attention.heads // groups, -1))
    learned = carried[..., :width].transpose(1, 2).flatten(0, 1).to(key.dtype)
    mask = None if mask is None else F.pad(mask, (0, extra), value=True)
    return torch.cat([key, learned.expand(key.shape[0], -1, -1, -1)], dim=2), mask
