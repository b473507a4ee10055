"""Attention of tokens that several ranks share, see `distributed.token_parallel`."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sampleformer.attention.mixings import Keys, Mixing
from sampleformer.attention.relative import Relative
from sampleformer.attention.samplers import Choice, Sampler
from sampleformer.distributed.over_shards import from_owners, joined, owned_places, places
from sampleformer.distributed.token_shards import current_shard
from sampleformer.errors import InputError
from sampleformer.tokens import Tokens

_PLACES = ("positions", "coordinates", "normals")


def check_sharded(sampler: Sampler, mixing: Mixing, relative: Relative | None) -> None:
    """Refuses parts of an attention that ranks which share the tokens cannot have.

    Raises:
        InputError: if the mixing looks at all queries or at edges, or relative terms need edges or all tokens.
    """
    if current_shard() is None:
        return
    refused = None
    if not (mixing.blockwise or mixing.sharded):
        refused = f"{type(mixing).__name__}, which looks at all queries or at edges"
    elif relative is not None and "edges" in relative.needs:
        refused = f"{type(relative).__name__}, which needs edges"
    elif relative is not None and not sampler.selects:
        refused = f"{type(relative).__name__} of all tokens"
    if refused is not None:
        raise InputError(f"token_parallel cannot share the tokens of {refused}")


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
    own, owned = owned_places(choice.indices.flatten(1), context.length)
    found: dict[str, Any] = {
        name: _rows(getattr(context, name), own, owned) for name in _PLACES if getattr(context, name) is not None
    }
    if context.positions is None:
        here = places(context.length, own.device).expand(context.batch, -1)
        found["positions"] = _rows(here, own, owned)
    chosen = Tokens(context.features.new_zeros(context.batch, groups * slots, 1), **found)
    indices = torch.arange(groups * slots, device=own.device).view(groups, slots).expand(context.batch, -1, -1)
    return chosen, replace(choice, indices=indices)


def _rows(values: Tensor, own: Tensor, owned: Tensor | None) -> Tensor:
    """What the tokens at these places have, ``(b, m)`` or ``(b, m, c)``, from the ranks that hold them."""
    rows = values[:, :, None] if values.ndim == 2 else values
    if rows.shape[1] == 0:
        rows = rows.new_zeros(rows.shape[0], 1, rows.shape[2])
    own = own.clamp(max=rows.shape[1] - 1)[..., None].expand(-1, -1, rows.shape[2])
    found = from_owners(rows.gather(1, own), owned)
    return found[..., 0] if values.ndim == 2 else found
