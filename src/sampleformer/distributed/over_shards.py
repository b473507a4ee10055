"""Sums, maxima and rows over all tokens of a sample, of which each rank holds some; see `token_shards.token_parallel`.

Outside of that context this process has all tokens, and each function returns what it was given.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from sampleformer.distributed import collectives
from sampleformer.distributed.token_shards import Shard, current_shard
from sampleformer.errors import InputError


def summed(values: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Sum over the ranks that share the samples, with gradients.

    Example:
        >>> summed(torch.ones(2))
        tensor([1., 1.])
    """
    shard = current_shard()
    return values if shard is None else collectives.all_reduce(shard.group, values)


def largest(values: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Largest of each number over the ranks that share the samples, without a gradient."""
    shard = current_shard()
    return values if shard is None else collectives.all_reduce_max(shard.group, values)


def any_of(flags: Bool[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
    """Whether each flag is set on any rank that shares the samples."""
    shard = current_shard()
    return flags if shard is None else collectives.all_reduce_max(shard.group, flags.to(torch.uint8)).bool()


def agreed(values: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Values of the first rank that shares the samples: random numbers that belong to no token."""
    shard = current_shard()
    return values if shard is None else collectives.broadcast(shard.group, values)


def log_sum_exp(logs: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """``log Σ_ranks exp x`` of finite numbers, with gradients."""
    shard = current_shard()
    if shard is None:
        return logs
    most = largest(logs)
    return summed((logs - most).exp()).log() + most


def softmax(scores: Float[Tensor, "*rows n"]) -> Float[Tensor, "*rows n"]:
    """Softmax over the tokens of all ranks, of finite scores, with gradients.

    Example:
        >>> softmax(torch.zeros(4))
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    if current_shard() is None:
        return scores.softmax(-1)
    lowest = torch.finfo(scores.dtype).min
    most = largest(F.pad(scores.detach(), (0, 1), value=lowest).amax(-1, keepdim=True))
    exponentials = (scores - most).exp()
    return exponentials / summed(exponentials.sum(-1, keepdim=True))


def amax(features: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"] | None) -> Float[Tensor, "b d"]:
    """Largest of each feature over the tokens of all ranks, whose gradient equal ones share; nothing gives zeros.

    Args:
        features: Features of this rank's tokens.
        mask: True where a token is real. None: all are.
    """
    if mask is not None:
        features = features.masked_fill(~mask[:, :, None], -torch.inf)
    most = largest(F.pad(features.detach(), (0, 0, 0, 1), value=-torch.inf).amax(1))
    nothing = most == -torch.inf
    reached = (features == most[:, None]) & ~nothing[:, None]
    sums = summed(torch.cat([features.where(reached, 0).sum(1), reached.to(features.dtype).sum(1)], dim=-1))
    total, count = sums.chunk(2, dim=-1)
    return total / count.clamp(min=1)


def places(length: int, device: torch.device) -> Int64[Tensor, " n"]:
    """Place of each token at hand among all tokens: 0, 1, 2, … where one process has all.

    Args:
        length: Number of tokens at hand.
        device: Device of the result.

    Raises:
        InputError: if this rank holds another number of tokens.

    Example:
        >>> places(3, torch.device("cpu"))
        tensor([0, 1, 2])
    """
    shard = shard_of(length)
    return torch.arange(length, device=device) + (0 if shard is None else shard.offset)


def drawn(draw: Callable[[int], Shaped[Tensor, "*shape"]], length: int, dim: int) -> Shaped[Tensor, "*rest"]:
    """Random numbers of the tokens at hand: of ranks with equal seeds those that one process draws for all tokens.

    Each rank draws the numbers of all tokens and keeps its own.

    Args:
        draw: Function that draws for so many tokens. What is drawn beyond that number, for no token, comes last.
        length: Number of tokens at hand.
        dim: Dimension of the tokens.

    Example:
        >>> drawn(lambda tokens: torch.arange(tokens + 1), 3, dim=0)
        tensor([0, 1, 2, 3])
    """
    shard = shard_of(length)
    if shard is None:
        return draw(length)
    everything = draw(shard.total)
    more = everything.shape[dim] - shard.total
    own = everything.narrow(dim, shard.offset, length)
    return torch.cat([own, everything.narrow(dim, shard.total, more)], dim) if more else own.contiguous()


def total_length(length: int) -> int:
    """Number of tokens of all ranks, from that of this one."""
    shard = shard_of(length)
    return length if shard is None else shard.total


def shard_of(length: int) -> Shard | None:
    """Shard of tokens of which there are so many at hand.

    Raises:
        InputError: if this rank holds another number of tokens.
    """
    shard = current_shard()
    if shard is not None and shard.length != length:
        raise InputError(
            f"there are {length} tokens on rank {shard.rank}, expected {shard.length}, the length of token_parallel"
        )
    return shard


def owned_places(
    indices: Int64[Tensor, "*shape"], length: int, more: int = 0
) -> tuple[Int64[Tensor, "*shape"], Bool[Tensor, "*shape"] | None]:
    """Places among the tokens at hand, of places among all tokens, and which of them are of this rank.

    Args:
        indices: Places among all tokens.
        length: Number of tokens at hand.
        more: Number of candidates that follow the tokens of the last rank.

    Returns:
        Places, ``length + more`` for those of other ranks, and None where one process has all.
    """
    shard = shard_of(length)
    if shard is None:
        return indices, None
    own = indices - shard.offset
    owned = (own >= 0) & (own < length + (more if shard.is_last else 0))
    return own.where(owned, own.new_tensor(length + more)), owned


def from_owners(values: Shaped[Tensor, "*shape c"], owned: Bool[Tensor, "*shape"] | None) -> Shaped[Tensor, "*shape c"]:
    """Rows of tokens anywhere, from the ranks that hold them, with gradients; zero for those of no rank.

    Args:
        values: Row of each token that this rank holds, anything for the others.
        owned: Which rows are of this rank, from `owned_places`.
    """
    return values if owned is None else summed(values.masked_fill(~owned[..., None], 0))


def rows(values: Shaped[Tensor, "b n *rest"], indices: Int64[Tensor, "b m"]) -> Shaped[Tensor, "b m *rest"]:
    """What tokens anywhere have, from the ranks that hold them, with gradients.

    Args:
        values: What the tokens at hand have, one number or a vector.
        indices: Places among all tokens.

    Example:
        >>> rows(torch.tensor([[5.0, 7.0]]), torch.tensor([[1, 1, 0]]))
        tensor([[7., 7., 5.]])
    """
    vectors = values if values.ndim == 3 else values[..., None]
    own, owned = owned_places(indices, vectors.shape[1])
    if owned is not None:
        vectors = F.pad(vectors, (0, 0, 0, 1))  # for what others hold
    found = from_owners(vectors.gather(1, own[..., None].expand(-1, -1, vectors.shape[2])), owned)
    return found if values.ndim == 3 else found[..., 0]


def joined(values: Shaped[Tensor, "b h n c"]) -> Shaped[Tensor, "b h total c"]:
    """What the tokens of all ranks have, with gradients. It grows with the number of tokens."""
    shard = shard_of(values.shape[2])
    if shard is None:
        return values
    return collectives.all_gather(shard.group, values.movedim(2, 0), shard.lengths).movedim(0, 2)


def gathered(offers: Shaped[Tensor, "*rows c"]) -> Shaped[Tensor, "*rows all"]:
    """What each rank offers, as much on each, one rank after the other in the last dimension, with gradients."""
    shard = current_shard()
    if shard is None:
        return offers
    rows = offers.movedim(-1, 0)
    return collectives.all_gather(shard.group, rows, [len(rows)] * len(shard.lengths)).movedim(0, -1)


def with_halo(values: Shaped[Tensor, "b h n c"], reach: int) -> tuple[Shaped[Tensor, "b h m c"], slice]:
    """What the tokens at hand and their neighbours on other ranks have, with gradients.

    Args:
        values: What the tokens at hand have.
        reach: Number of neighbours before the first token and after the last one; fewer where the sample ends.

    Returns:
        The values, and where those of the tokens at hand are among them.
    """
    shard = shard_of(values.shape[2])
    if shard is None:
        return values, slice(0, values.shape[2])
    ranks = range(len(shard.lengths))
    own = range(shard.offset, shard.offset + shard.length)
    # A rank lies before another or after it: it has one range of what the other needs.
    sent = [max((_common(own, side) for side in shard.halo(rank, reach)), key=len) for rank in ranks]
    sent[shard.rank] = range(0)
    before, after = shard.halo(shard.rank, reach)
    starts = [sum(shard.lengths[:rank]) for rank in ranks]
    held = [range(start, start + length) for start, length in zip(starts, shard.lengths, strict=True)]
    received = [len(_common(each, before)) + len(_common(each, after)) for each in held]
    rows = values.movedim(2, 0)
    offered = torch.cat(
        [rows[each.start - shard.offset : each.stop - shard.offset] if each else rows[:0] for each in sent]
    )
    found = collectives.all_to_all(shard.group, offered, [len(each) for each in sent], received)
    left, right = found.split([len(before), len(after)])
    return torch.cat([left, rows, right]).movedim(0, 2), slice(len(before), len(before) + shard.length)


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start), max(min(one.stop, other.stop), max(one.start, other.start)))


def padded_to_halo(values: Shaped[Tensor, "b h n c"], own: slice, length: int) -> Shaped[Tensor, "b h m c"]:
    """Values of the tokens at hand with zeros for their neighbours.

    Args:
        values: What the tokens at hand have.
        own: Where they are, from `with_halo`.
        length: Number of tokens with neighbours.
    """
    return values if length == values.shape[2] else F.pad(values, (0, 0, own.start, length - own.stop))
