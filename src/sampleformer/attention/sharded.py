"""Attention of tokens that several ranks share, see `distributed.token_parallel`."""

from dataclasses import replace
from typing import Any

import torch

from sampleformer.attention.mixings import Keys, Mixing
from sampleformer.attention.relative import Relative
from sampleformer.attention.samplers import Choice, Sampler
from sampleformer.distributed.over_shards import joined, rows
from sampleformer.distributed.token_shards import current_shard, refuse_shards
from sampleformer.tokens import Tokens

_PLACES = ("positions", "coordinates", "normals")


def check_sharded(sampler: Sampler, mixing: Mixing, relative: Relative | None) -> None:
    """Refuses parts of an attention that ranks which share the tokens cannot have.

    Raises:
        InputError: if the mixing looks at all queries, or relative terms need edges or all tokens.
    """
    if not (mixing.blockwise or mixing.sharded):
        refuse_shards(f"{type(mixing).__name__}, which looks at all queries")
    if relative is not None and "edges" in relative.needs:
        refuse_shards(f"{type(relative).__name__}, which needs edges")
    if relative is not None and not sampler.selects:
        refuse_shards(f"{type(relative).__name__} for all tokens")


def joined_keys(keys: Keys) -> Keys:
    """Keys of the tokens of all ranks, from those of this rank's tokens; it grows with the number of tokens."""
    if current_shard() is None:
        return keys
    heads, e = keys.k.shape[1], keys.k.shape[3]
    assert keys.valid is not None
    valid = keys.valid.expand(-1, heads, -1)[..., None].to(keys.k.dtype)
    parts = [keys.k, keys.v, valid] + ([] if keys.sink is None else [keys.sink[..., None]])
    everything = joined(torch.cat(parts, dim=-1))
    k, v, rest = everything.split([e, e, everything.shape[3] - 2 * e], dim=-1)
    known = rest[..., 0] > 0
    sink = None if keys.sink is None else rest[..., 1]
    return Keys(k, v, None if bool(known.all()) and known.shape[2] else known, sink=sink)


def placed(context: Tokens, choice: Choice) -> tuple[Tokens, Choice]:
    """Context for relative terms and the choice in it: where ranks share the tokens, what was chosen and nothing else.

    Args:
        context: Tokens of this rank.
        choice: Choice among the tokens of all ranks.
    """
    if current_shard() is None:
        return context, choice
    groups, slots = choice.indices.shape[1:]
    chosen = choice.indices.flatten(1)
    found: dict[str, Any] = {
        name: rows(getattr(context, name), chosen) for name in _PLACES if getattr(context, name) is not None
    }
    if context.positions is None:
        found["positions"] = chosen
    tokens = Tokens(context.features.new_zeros(context.batch, groups * slots, 1), **found)
    indices = torch.arange(groups * slots, device=chosen.device).view(groups, slots).expand(context.batch, -1, -1)
    return tokens, replace(choice, indices=indices)
