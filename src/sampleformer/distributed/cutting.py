"""Cuts tokens, with their edges, into the shards of ranks, and puts together what ranks have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor

from sampleformer.distributed.collectives import all_gather
from sampleformer.distributed.edge_halo import shard_edges
from sampleformer.distributed.token_shards import group_of
from sampleformer.tokens import Tokens, as_tokens

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


def shard_tokens(tokens: Tokens | Tensor, mesh: DeviceMesh | dist.ProcessGroup | None) -> Tokens:
    """Tokens of this rank, for `token_parallel`: consecutive ones, as `torch.chunk` cuts, with their positions.

    Of edges it has those that leave its tokens, see `shard_edges`.

    Args:
        tokens: Tokens of all ranks, the same on each. A tensor stands for tokens of which none is padding.
        mesh: Ranks that share them. None: all ranks.

    Raises:
        InputError: if the mesh has more than one dimension.
    """
    group, tokens = group_of(mesh), as_tokens(tokens)
    rank, lengths = dist.get_rank(group), lengths_of(tokens.length, dist.get_world_size(group))
    own = slice(sum(lengths[:rank]), sum(lengths[: rank + 1]))
    positions = tokens.positions
    if positions is None:
        positions = torch.arange(tokens.length, device=tokens.features.device).expand(tokens.batch, -1)
    values: dict[str, Any] = {field.name: getattr(tokens, field.name) for field in fields(Tokens)}
    values["positions"] = positions
    if tokens.edges is not None:
        values["edges"] = shard_edges(tokens.edges, group, lengths)
    whole = ("descriptors", "edges")
    return Tokens(**{name: v if v is None or name in whole else v[:, own] for name, v in values.items()})


def lengths_of(length: int, ranks: int) -> tuple[int, ...]:
    """Number of tokens that `shard_tokens` gives each rank.

    Args:
        length: Number of tokens of all ranks.
        ranks: Number of ranks.

    Example:
        >>> lengths_of(7, 3), lengths_of(1, 2)
        ((3, 3, 1), (1, 0))
    """
    each = -(-length // ranks)
    return tuple(min((rank + 1) * each, length) - min(rank * each, length) for rank in range(ranks))


def gather_tokens(
    values: Shaped[Tensor, "b n *rest"], mesh: DeviceMesh | dist.ProcessGroup | None, lengths: Sequence[int]
) -> Shaped[Tensor, "b total *rest"]:
    """What the tokens of all ranks have, on every rank, with gradients: memory and time grow with all tokens.

    Args:
        values: What this rank's tokens have.
        mesh: Ranks that share the tokens. None: all ranks.
        lengths: Number of tokens of each rank, see `Shard`.
    """
    return all_gather(group_of(mesh), values.transpose(0, 1), lengths).transpose(0, 1)
