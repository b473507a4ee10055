"""Tokens of one sample on several ranks: which of them this rank holds."""

from __future__ import annotations

import itertools
import sys
from contextlib import AbstractContextManager, ExitStack, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from sampleformer.distributed.shared_batch import is_shared, sharing
from sampleformer.errors import InputError

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


@dataclass(frozen=True)
class Shard:
    """The tokens that this rank holds of every sample: consecutive ones, in the order of the ranks.

    Args:
        group: Ranks that share the samples.
        rank: Number of this rank in the group.
        lengths: Number of tokens of each rank, padding included.

    Example:
        >>> shard = Shard(None, rank=1, lengths=(3, 2, 4))
        >>> shard.offset, shard.length, shard.total, shard.is_last
        (3, 2, 9, False)
    """

    group: Any
    rank: int
    lengths: tuple[int, ...]

    @property
    def offset(self) -> int:
        """Number of tokens of the ranks before this one."""
        return sum(self.lengths[: self.rank])

    @property
    def length(self) -> int:
        """Number of tokens of this rank."""
        return self.lengths[self.rank]

    @property
    def total(self) -> int:
        """Number of tokens of all ranks."""
        return sum(self.lengths)

    @property
    def longest(self) -> int:
        """Largest number of tokens of a rank."""
        return max(self.lengths)

    @property
    def is_last(self) -> bool:
        """Whether this rank holds the end of every sample."""
        return self.rank == len(self.lengths) - 1

    def halo(self, rank: int, reach: int) -> tuple[range, range]:
        """Places among all tokens of those just before and just after the tokens of a rank.

        Args:
            rank: Number of the rank.
            reach: Number of tokens to each side; fewer where the sample begins or ends.
        """
        ends = list(itertools.accumulate(self.lengths, initial=0))
        first, end = ends[rank], ends[rank + 1]
        return range(max(0, first - reach), first), range(end, min(self.total, end + reach))


_CURRENT: ContextVar[Shard | None] = ContextVar("shard", default=None)


def current_shard() -> Shard | None:
    """Shard of the tokens at hand. None: this process has all tokens."""
    return None if torch.compiler.is_compiling() else _CURRENT.get()


def refuse_shards(what: str) -> None:
    """Refuses tokens that are not all here.

    Args:
        what: What needs all tokens, for the message.

    Raises:
        InputError: within `token_parallel`.
    """
    if current_shard() is not None:
        raise InputError(f"token_parallel cannot share the tokens of {what}")


def token_parallel(mesh: DeviceMesh | dist.ProcessGroup | None, length: int) -> AbstractContextManager[Any]:
    """Context in which each rank holds some tokens of every sample and layers give what they give for all tokens.

    Attentions that sample exchange scores of the best tokens of each rank, then keys and values of those chosen, and
    nothing that grows with the number of tokens; `YosoAttention` adds up its tables, `WindowAttention` gets the
    neighbours of the first and the last token, `LocalEdges` the tokens of other ranks that its edges enter, full
    attention gathers all keys and values. Poolings return the same vector on every rank. Batch norms see the tokens of
    all ranks. Compiled modules run as if they were not compiled.

    The loss is the sum of the ranks' losses, and the gradient of a parameter the sum of the ranks' gradients, which the
    caller adds up: divide a loss of pooled outputs, the same on every rank, by the number of ranks. All ranks call the
    same layers in the same order, forwards and backwards, a rank without tokens too. Give ranks equal seeds: each draws
    the noise and the dropout of all tokens, as one process does, and keeps that of its own; what must be the same for a
    whole sample (YOSO's hashes, stochastic depth) is that of the first rank. It begins at once.

    Args:
        mesh: One-dimensional `DeviceMesh`, such as ``mesh["tokens"]``, or process group: the ranks that share a sample.
            None: all ranks.
        length: Number of tokens of this rank, padding included. The tokens of a sample are those of the first rank,
            then those of the second, and so on.

    Raises:
        InputError: if the mesh has more than one dimension or the length is negative.

    Example:
        >>> import tempfile
        >>> from sampleformer import SamsaAttention
        >>> store = dist.FileStore(tempfile.mktemp(), 1)
        >>> dist.init_process_group("gloo", store=store, rank=0, world_size=1)
        >>> attention, tokens = SamsaAttention(8, 2, sampled=3).eval(), torch.randn(1, 5, 8)
        >>> with token_parallel(dist.group.WORLD, 5):
        ...     result = attention(tokens)
        >>> torch.equal(result, attention(tokens))
        True
        >>> dist.destroy_process_group()
    """
    group = group_of(mesh)
    if length < 0:
        raise InputError(f"length is {length}, expected at least 0")
    rank, size = dist.get_rank(group), dist.get_world_size(group)
    lengths: list[Any] = [None] * size
    dist.all_gather_object(lengths, length, group=group)
    return within(Shard(group, rank, tuple(lengths)))


def within(shard: Shard | None) -> AbstractContextManager[Any]:
    """Context of a shard that is known, which begins at once. None: nothing changes.

    Args:
        shard: Shard from `current_shard`; a backward pass, which may run after the context ended, enters it again.
    """
    if shard is None:
        return nullcontext()  # what compilers look through
    held = ExitStack()
    held.callback(_CURRENT.reset, _CURRENT.set(shard))
    if not is_shared():
        held.enter_context(sharing(shard.group))
    if "torch._dynamo" in sys.modules:  # without it nothing was compiled
        held.enter_context(torch.compiler.set_stance("force_eager"))
    return held


def group_of(mesh: DeviceMesh | dist.ProcessGroup | None) -> dist.ProcessGroup:
    """Process group of a one-dimensional mesh, or a group as it is; None stands for that of all ranks.

    Raises:
        InputError: if the mesh has more than one dimension.
    """
    mesh = dist.group.WORLD if mesh is None else mesh
    if mesh is None:
        raise InputError("mesh is None and there is no process group, expected init_process_group before")
    if isinstance(mesh, dist.ProcessGroup):
        return mesh
    if mesh.ndim != 1:
        raise InputError(f'mesh has {mesh.ndim} dimensions, expected 1: take one by its name, such as mesh["tokens"]')
    return mesh.get_group()
