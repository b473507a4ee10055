"""Steps of an attention after its projections: what the slots of a choice hold, and queries that attend to it."""

import functools
from collections.abc import Callable

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from sampleformer.attention.mixings import Keys, Mixing, Queries
from sampleformer.attention.relative import PairTerms
from sampleformer.attention.samplers import Choice
from sampleformer.distributed.over_shards import any_of
from sampleformer.functional.blocks import tokenwise
from sampleformer.tokens import Tokens
from sampleformer.zeroing import zeroed


def split_heads(features: Float[Tensor, "b n d"], heads: int) -> Float[Tensor, "b h n e"]:
    """Parts of the heads of each vector.

    Example:
        >>> split_heads(torch.zeros(1, 5, 8), 2).shape
        torch.Size([1, 2, 5, 4])
    """
    return features.unflatten(-1, (heads, -1)).transpose(1, 2)


def with_learned(
    candidates: Float[Tensor, "b g m c"],
    learned: Float[Tensor, "g extra c"],
    indices: Int64[Tensor, "b g m"],
    length: int,
) -> Float[Tensor, "b g m c"]:
    """Candidates with what learned extra tokens carry where an index is one of theirs.

    Args:
        candidates: What the tokens carry that the indices name; anything in the place of learned ones.
        learned: What the learned tokens of each group carry.
        indices: Index of each candidate; from `length` on they are learned tokens.
        length: Number of tokens.

    Example:
        >>> with_learned(torch.zeros(1, 1, 2, 1), torch.ones(1, 1, 1), torch.tensor([[[0, 5]]]), 5).flatten()
        tensor([0., 1.])
    """
    slots = (indices - length).clamp(min=0)[..., None].expand_as(candidates)
    extra = learned.to(candidates.dtype).expand(candidates.shape[0], -1, -1, -1).gather(2, slots)
    return torch.where((indices < length)[..., None], candidates, extra)


def keys_of_choice(choice: Choice, candidates: Float[Tensor, "b g m c"], heads: int, *, leaks: bool) -> Keys:
    """Keys that the queries of each head see, from what the candidates of its group carry.

    Args:
        choice: Choice of a sampler.
        candidates: For each head of the group one after the other its key, its value and, if it leaks, its leak logit.
        heads: h, a multiple of g.
        leaks: Whether there are leak logits.
    """
    carried = choice.mixed(candidates)
    per_head = carried.shape[1] * carried.shape[3] // heads
    carried = carried.unflatten(-1, (-1, per_head)).transpose(2, 3).flatten(1, 2)
    e = per_head // 2
    value, sink = carried[..., e : 2 * e], carried[..., -1] if leaks else None
    if choice.gate is not None:
        value = value * for_each_head(choice.gate, heads)[..., None].to(value.dtype)
    return keys_of_slots(choice, carried[..., :e], value, sink)


def keys_of_slots(choice: Choice, key: Tensor, value: Tensor, sink: Tensor | None) -> Keys:
    """Keys with what the choice says of its slots: which are valid and how often each counts."""
    heads = key.shape[1]
    valid = None if choice.slots_valid is None else for_each_head(choice.slots_valid, heads)
    if key.shape[2] == 0:  # for no query is there anything to attend to
        valid = torch.zeros(key.shape[0], 1, 0, dtype=torch.bool, device=key.device)
    weights = None if choice.presence is None else for_each_head(choice.presence, heads)
    return Keys(key, value, valid, weights, choice.present, sink)


def attend(
    mixing: Mixing,
    keys: Keys,
    tokens: Tokens,
    *,
    project: Callable[[Tensor], Tensor],
    output: Callable[[Tensor], Tensor],
    terms: PairTerms | None = None,
    noise: Tensor | None = None,
) -> Float[Tensor, "b n d"]:
    """Attends to keys, in blocks of queries where that saves memory.

    Args:
        mixing: Mixing of the values.
        keys: Keys and values of each head.
        tokens: Tokens that attend.
        project: Function from features ``(b, n, d)`` of tokens to queries of the same shape, each token by itself.
        output: Function of what the heads give, ``(b, n, d)``, each token by itself.
        terms: Terms of pairs. None: there are none.
        noise: Random numbers of the mixing in this training pass. None in evaluation.

    Returns:
        One vector a token, zero at masked tokens and where there is nothing to attend to.
    """
    heads, valid, masked = keys.k.shape[1], keys.valid, tokens.mask is not None

    def mix(features: Tensor, *of_queries: Tensor) -> Tensor:
        mask, of_bias = (of_queries[0], of_queries[1:]) if masked else (None, of_queries)
        queries = Queries(split_heads(project(features), heads), mask, tokens)
        bias = None if terms is None else terms.make(*of_bias)
        mixed = mixing(queries, keys, bias, noise)
        return output(mixed.transpose(1, 2).flatten(2))

    of_queries = () if terms is None else terms.of_queries
    if tokens.mask is not None:
        of_queries = (tokens.mask, *of_queries)
    if mixing.blockwise:
        numbers = mixing.numbers_per_query(keys.k.shape[2], related=terms is not None)
        widest = max(tokens.features.shape[2], heads * numbers)
        result = tokenwise(mix, tokens.features, *of_queries, widest=widest)
    else:
        result = mix(tokens.features, *of_queries)
    alive = [] if valid is None else [any_of(valid.any(-1).any(1))[:, None, None]]
    if tokens.mask is not None:
        alive.append(tokens.mask[:, :, None])
    return zeroed(result, functools.reduce(torch.logical_and, alive)) if alive else result


def for_each_head(of_groups: Shaped[Tensor, "b g k"], heads: int) -> Tensor:
    """What groups have, for each of their heads; what all heads share stays as it is."""
    groups = of_groups.shape[1]
    return of_groups if groups == 1 else of_groups.repeat_interleave(heads // groups, dim=1)
