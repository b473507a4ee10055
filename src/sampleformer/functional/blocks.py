"""Token-wise work in blocks, so that a long input does not fill memory with what is needed once."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sampleformer.distributed.streams import in_turn, rows_apart
from sampleformer.distributed.token_shards import Shard, current_shard, within
from sampleformer.errors import InputError

NUMBERS_PER_BLOCK = 1024 * 512
_CHECKPOINTED: ContextVar[int | None] = ContextVar("checkpointed", default=None)


def activation_checkpointing(tokens: int = 65_536) -> ExitStack:
    """Context in which training keeps of token-wise work, attention to chosen tokens too, what goes in and comes out.

    What lies between (an MLP's hidden features, queries, what heads give) is made again in the backward pass, block by
    block, which halves the memory of a step of `SamsaAttention` with an MLP. Results and gradients are the same;
    dropout is repeated, and is that without this where a block holds all tokens. It does not change compiled programs.
    It begins at once.

    Args:
        tokens: Number of tokens of a block.

    Raises:
        InputError: if it is less than 1.

    Example:
        >>> features = torch.ones(1, 5, 2, requires_grad=True)
        >>> with activation_checkpointing(tokens=2):
        ...     tokenwise(torch.exp, features, widest=2).sum().backward()
        >>> torch.equal(features.grad, features.exp())
        True
    """
    if tokens < 1:
        raise InputError(f"tokens is {tokens}, expected at least 1")
    held = ExitStack()
    held.callback(_CHECKPOINTED.reset, _CHECKPOINTED.set(tokens))
    return held


def tokenwise(
    function: Callable[..., Tensor],
    features: Float[Tensor, "b n d"],
    *others: Shaped[Tensor, "b n ..."],
    widest: int,
    random: bool = False,
) -> Float[Tensor, "b n c"]:
    """Applies a function that treats every token alone, block by block when no gradient is needed.

    What the function makes on the way (an MLP is four times as wide inside) then stays in the cache and is reused by
    the allocator; on a CPU that halves the time of a long input. With gradients, on other devices and while compiling,
    the function is called once, but under `activation_checkpointing`.

    Args:
        function: maps ``(b, m, d)`` to ``(b, m, c)``, each token by itself.
        features: all the tokens.
        others: what else the function takes of each token, cut along with the features.
        widest: how many numbers a token has at its widest inside the function.
        random: whether the function draws random numbers of tokens in training: they stay those of each chunk of a
            batch, and tokens that ranks share are one block.

    Example:
        >>> tokenwise(torch.sin, torch.zeros(1, 5, 2), widest=2).shape
        torch.Size([1, 5, 2])
    """
    if torch.compiler.is_compiling():
        return function(features, *others)
    checkpointed = _CHECKPOINTED.get() if torch.is_grad_enabled() else None
    if checkpointed is not None:
        return _checkpointed(function, (features, *others), checkpointed, random)
    if torch.is_grad_enabled() or features.device.type != "cpu":
        return function(features, *others)
    batch, length, _ = features.shape
    block = max(1, NUMBERS_PER_BLOCK // (widest * max(1, batch)))
    if length <= block:
        return function(features, *others)
    first = function(*(tensor[:, :block] for tensor in (features, *others)))
    result = first.new_empty(batch, length, first.shape[-1])
    result[:, :block] = first
    for start in range(block, length, block):
        result[:, start : start + block] = function(
            *(tensor[:, start : start + block] for tensor in (features, *others))
        )
    return result


def _checkpointed(function: Callable[..., Tensor], of_tokens: tuple[Tensor, ...], tokens: int, random: bool) -> Tensor:
    shard = current_shard()

    def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        return nullcontext(), _Again(shard)

    rows = rows_apart(of_tokens[0]) if random else None
    chunks: Iterable[tuple[Tensor, ...]] = [of_tokens]
    if rows is not None:  # each chunk has its own random numbers
        chunks = in_turn(list(zip(*(tensor.split(rows, dim=1) for tensor in of_tokens), strict=True)))
    found = []
    for chunk in chunks:
        # A rank draws the random numbers of all tokens at once and keeps its own.
        block = max(1, chunk[0].shape[1]) if random and shard is not None else tokens
        blocks = zip(*(tensor.split(block, dim=1) for tensor in chunk), strict=True)
        found += [checkpoint(function, *each, use_reentrant=False, context_fn=contexts) for each in blocks]
    return torch.cat(found, dim=1)


class _Again(ExitStack):
    """Context of a block that is made again, when the backward pass comes to it: that of its shard."""

    def __init__(self, shard: Shard | None) -> None:
        super().__init__()
        self._shard = shard

    def __enter__(self) -> "_Again":
        self.enter_context(within(self._shard))
        return self
