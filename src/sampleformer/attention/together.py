"""Attention to the tokens of all chunks of a batch: all but the mixing of values runs once for all of them."""

from typing import TypeGuard

from jaxtyping import Float
from torch import Tensor, nn

from sampleformer.attention.attending import keys_of_choice, split_heads
from sampleformer.attention.base import Attention
from sampleformer.attention.mixings import Keys, Queries, ScoredMixing
from sampleformer.attention.samplers import ImportanceSampler, NonFiniteScores
from sampleformer.distributed.streams import in_turn
from sampleformer.functional.blocks import tokenwise
from sampleformer.joined import Joined
from sampleformer.modules import is_plain
from sampleformer.norms import normalised
from sampleformer.tokens import Tokens

_APART = 2**32  # places from one sample to the next, more than anyone sees
_MOST_PADDING = 8  # times the tokens that there are, of their scores alone


def attends_together(part: nn.Module, joined: Joined) -> TypeGuard[Attention]:
    """Whether `attended_together` knows a part of a layer: what it does is what `Attention` does.

    Args:
        part: Any part.
        joined: Tokens of all chunks. One chunk without padding is better called as it is, and so are chunks where one
            sample is far longer than the others.
    """
    if not isinstance(part, Attention) or type(part).forward is not Attention.forward or not is_plain(part, type(part)):
        return False
    if part.mixing.joining:
        return True
    sampler, tokens = part.sampler, joined.tokens.length
    known = type(part.mixing) is ScoredMixing and is_plain(sampler, ImportanceSampler) and not sampler.extra
    several = len(joined.chunks) > 1 or joined.chunks[0].mask is not None
    padded = sum(each.batch for each in joined.chunks) * max(each.length for each in joined.chunks)
    return known and several and part.relative is None and 0 < padded <= _MOST_PADDING * tokens


def attended_together(attention: Attention, joined: Joined) -> Float[Tensor, "1 N d"]:
    """What an attention makes of the tokens of all chunks, each of which attends to its own sample.

    Args:
        attention: Attention of which `attends_together` holds.
        joined: Tokens of all chunks.

    Raises:
        NonFiniteScores: as `Attention`.
    """
    tokens = normalised(attention.norm, joined.tokens)
    features, query = tokens.features, attention.query(tokens.features)
    if attention.mixing.joining:
        key, value = (split_heads(each, attention.heads) for each in attention.key_value(features).chunk(2, -1))
        keys = Keys(key, value, places=joined.places_apart(_APART))
        mixed = attention.mixing(Queries(split_heads(query, attention.heads), None, tokens), keys)
        return attention.output(mixed.transpose(1, 2).flatten(2))
    keys = _chosen(attention, joined, features)
    asked, parts = joined.with_features(query).apart(), keys.split([each.batch for each in joined.chunks])
    mixed = [_mixed(attention, *each) for each in zip(asked, parts, strict=True)]
    return attention.output(joined.join(mixed))


def _chosen(attention: Attention, joined: Joined, features: Tensor) -> Keys:
    """Keys and values of what was chosen in each sample."""
    layout, sampler = joined.layout, attention.sampler
    assert isinstance(sampler, ImportanceSampler)
    scores = layout.padded(sampler.scorer(joined.tokens.features)[0].mT)
    context, drawn = Tokens(scores, layout.mask()), None
    if attention.training:
        # Each chunk has its own random numbers, which go the way of the scores: (draws, b, g, n).
        noise = [sampler.draw_noise(each) for each in in_turn(joined.chunks)]
        rows = joined.join([each.movedim(0, 1).flatten(1, 2).mT for each in noise])[0]
        drawn = layout.padded(rows).mT.unflatten(1, (len(noise[0]), -1)).movedim(1, 0)
    try:
        choice = sampler(context, drawn, scores=scores.mT.contiguous())
    except NonFiniteScores as error:
        error.heads = attention.heads
        raise
    # From places in a sample to rows of all tokens; what is no token is marked so.
    first = layout.sizes.cumsum(0) - layout.sizes
    rows = (choice.indices + first[:, None, None]).transpose(0, 1)
    candidates = attention.project_candidates(nn.Identity(), Tokens(features), rows.flatten(1)[None])[0]
    candidates = candidates.unflatten(1, rows.shape[1:]).transpose(0, 1)
    return keys_of_choice(choice, candidates, attention.heads, leaks=attention.leak is not None)


def _mixed(attention: Attention, queries: Tokens, keys: Keys) -> Float[Tensor, "b n d"]:
    """What the heads give to the tokens of a chunk, whose features are their queries; of padding, anything."""

    def mix(features: Tensor) -> Tensor:
        mixed: Tensor = attention.mixing(Queries(split_heads(features, attention.heads)), keys)
        return mixed.transpose(1, 2).flatten(2)

    widest = max(queries.features.shape[2], attention.heads * attention.mixing.numbers_per_query(keys.k.shape[2]))
    return tokenwise(mix, queries.features, widest=widest)
