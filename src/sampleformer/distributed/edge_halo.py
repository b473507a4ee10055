"""Edges of tokens that ranks share: each rank has those that leave its tokens, and gets the tokens that they enter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor

from sampleformer.distributed import collectives
from sampleformer.distributed.token_shards import Shard, current_shard, group_of, refuse_shards
from sampleformer.edges import Edges, Halo
from sampleformer.errors import InputError

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


def shard_edges(edges: Edges, mesh: DeviceMesh | dist.ProcessGroup | None, lengths: Sequence[int]) -> Edges:
    """Edges that leave the tokens of this rank, for `token_parallel`, and where the tokens that they enter are.

    Ranks tell each other once which tokens they need. A layer then sends the vectors of these and nothing else: of each
    token that an edge of another rank enters, once a rank, however many edges do.

    Args:
        edges: Edges whose ends are places among the tokens of all ranks. Those that leave tokens of other ranks are
            dropped, and need not be there.
        mesh: Ranks that share the tokens; all of them call this. None: all ranks.
        lengths: Number of tokens of each rank, see `Shard`.

    Returns:
        Edges whose sources are places among the tokens of this rank. Of the targets, those of other ranks are counted
        behind them.

    Raises:
        InputError: if an edge of some rank joins a token that is not there.
    """
    group = group_of(mesh)
    shard = Shard(group, dist.get_rank(group), tuple(lengths))
    edges = edges.without_padding()
    real = torch.ones_like(edges.source, dtype=torch.bool) if edges.mask is None else edges.mask
    _check(edges, real, shard)
    own = _kept(edges, real & (edges.source >= shard.offset) & (edges.source < shard.offset + shard.length))
    mask = torch.ones_like(own.source, dtype=torch.bool) if own.mask is None else own.mask
    target = own.target - shard.offset
    elsewhere = mask & ((target < 0) | (target >= shard.length))
    halo, places = _halo(own.target, elsewhere, shard)
    target = target.masked_scatter(elsewhere, places + shard.length)
    source = (own.source - shard.offset).masked_fill(~mask, 0)
    return Edges(source, target.masked_fill(~mask, 0), own.features, own.mask, halo)


def with_targets(values: Shaped[Tensor, "b n c"], edges: Edges) -> Shaped[Tensor, "b m c"]:
    """What the tokens at hand have, and behind it what those of other ranks have that edges enter, with gradients.

    Args:
        values: What the tokens at hand have.
        edges: Edges that leave them.

    Raises:
        InputError: if ranks share the tokens and `shard_edges` has not cut the edges, or it has and they do not.
    """
    shard, halo = current_shard(), edges.halo
    if halo is None:
        if shard is not None:
            refuse_shards("edges that shard_edges or shard_tokens has not cut")
        return values
    if shard is None:
        raise InputError("edges of shared tokens are used outside of token_parallel, expected within")
    batch, _, width = values.shape
    # A look-up whose gradient is added up in one order, on GPUs too.
    offered = F.embedding(halo.rows, values.flatten(0, 1))
    found = collectives.all_to_all(shard.group, offered, halo.sent, halo.received)
    behind = found.new_zeros(batch * halo.length, width).index_copy(0, halo.places, found)
    return torch.cat([values, behind.unflatten(0, (batch, halo.length))], dim=1)


def _check(edges: Edges, real: Bool[Tensor, "b E"], shard: Shard) -> None:
    """Refuses, on every rank, edges of some rank that join a token that is not there."""
    wrong = {
        name: ends[real & ((ends < 0) | (ends >= shard.total))].tolist()
        for name, ends in (("source", edges.source), ("target", edges.target))
    }
    found = edges.source.new_tensor(any(wrong.values()))
    if not collectives.all_reduce_max(shard.group, found):  # the others would wait for this rank
        return
    for name, indices in wrong.items():
        if indices:
            raise InputError(f"the {name} of an edge has index {indices[0]}, expected 0 to {shard.total - 1}")
    raise InputError(f"an edge of another rank has an index outside 0 to {shard.total - 1}")


def _kept(edges: Edges, keep: Bool[Tensor, "b E"]) -> Edges:
    """Some of the edges in their order, padded to the largest number of a set."""
    counts = keep.sum(1)
    most = int(counts.max()) if len(counts) else 0
    order = torch.argsort((~keep).to(torch.uint8), dim=1, stable=True)[:, :most]
    features = edges.features.gather(1, order[:, :, None].expand(-1, -1, edges.features.shape[2]))
    mask = torch.arange(most, device=keep.device) < counts[:, None]
    return Edges(edges.source.gather(1, order), edges.target.gather(1, order), features, mask).without_padding()


def _halo(
    target: Int64[Tensor, "b E"], elsewhere: Bool[Tensor, "b E"], shard: Shard
) -> tuple[Halo, Int64[Tensor, " e"]]:
    """The halo, and for each edge that leads to another rank, set by set, the place of its target in it."""
    batch, ranks, total = target.shape[0], len(shard.lengths), max(1, shard.total)
    ends = torch.tensor(shard.lengths, device=target.device).cumsum(0)
    sets = torch.arange(batch, device=target.device)[:, None].expand_as(target)[elsewhere]
    tokens = target[elsewhere]
    owners = torch.bucketize(tokens, ends, right=True)
    # Each token once: by rank, then by set, then by place.
    wanted, number = ((owners * batch + sets) * total + tokens).unique(return_inverse=True)
    received = torch.bincount(wanted // (batch * total), minlength=ranks)
    sent = collectives.all_to_all(shard.group, received, [1] * ranks, [1] * ranks).tolist()
    asked = collectives.all_to_all(shard.group, wanted % (batch * total), received.tolist(), sent)
    sets = wanted // total % batch
    places = _numbered(sets, batch)
    length = int(places.max()) + 1 if len(places) else 0
    rows = asked // total * shard.length + asked % total - shard.offset
    return Halo(rows, tuple(sent), tuple(received.tolist()), sets * length + places, length), places[number]


def _numbered(sets: Int64[Tensor, " m"], batch: int) -> Int64[Tensor, " m"]:
    """0, 1, 2, … within each set."""
    order = sets.argsort(stable=True)
    counts = torch.bincount(sets, minlength=batch)
    first = counts.cumsum(0) - counts
    return torch.empty_like(order).index_copy(
        0, order, torch.arange(len(order), device=order.device) - first[sets[order]]
    )
