"""Attention to the neighbours in the sequence."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sampleformer.attention.mixings.base import Mixing
from sampleformer.attention.mixings.records import Keys, Queries
from sampleformer.distributed.over_shards import padded_to_halo, with_halo
from sampleformer.distributed.token_shards import current_shard
from sampleformer.tracing import is_exporting
from sampleformer.zeroing import zeroed

LEAST_BLOCK = 64
"""Smaller blocks would compute less, but so little at a time that they take longer."""


class WindowMixing(Mixing):
    """Softmax of the scaled dot product over the keys at most so many places away: cost O(n·window).

    Places are those in the tensor. The sequence is cut into blocks, at least as long as the window; a block of queries
    meets its own keys and as many to each side as the window reaches, of which a band is seen.

    Args:
        window: how many places to each side a token sees; 0: itself alone. More than there are is all of them.

    Raises:
        ValueError: if window < 0.

    Source: Longformer (arXiv 2004.05150), section 3.1.

    Example:
        >>> query, key, value = torch.zeros(3, 1, 2, 5, 4)
        >>> WindowMixing(1)(Queries(query), Keys(key, value)).shape
        torch.Size([1, 2, 5, 4])
    """

    order_sensitive = True
    self_only = True
    blockwise = False
    sharded = True

    def __init__(self, window: int) -> None:
        super().__init__()
        if window < 0:
            raise ValueError(f"window is {window}, expected at least 0")
        self.window = window

    def forward(
        self,
        queries: Queries,
        keys: Keys,
        bias: tuple[Tensor, Tensor] | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Mixes, see `Mixing.forward`."""
        if current_shard() is None:
            return self._mixed(queries.q, keys.k, keys.v, keys.valid)
        assert keys.valid is not None
        heads, e = keys.k.shape[1], keys.k.shape[3]
        seen = keys.valid.expand(-1, heads, -1)[..., None].to(keys.k.dtype)
        around, own = with_halo(torch.cat([keys.k, keys.v, seen], dim=-1), self.window)
        key, value, seen = around.split([e, e, 1], dim=-1)
        query = padded_to_halo(queries.q, own, around.shape[2])
        return self._mixed(query, key, value, seen[:, :1, :, 0] > 0)[:, :, own]

    def _mixed(self, query: Tensor, key: Tensor, value: Tensor, valid: Tensor | None) -> Tensor:
        length = query.shape[2]
        if valid is None:
            valid = torch.ones(query.shape[0], 1, length, dtype=torch.bool, device=query.device)
        # Traced for any length, a program keeps the window that it was made with.
        window = self.window if torch.compiler.is_compiling() else min(self.window, max(length - 1, 0))
        size = max(LEAST_BLOCK, window)
        # An exported program is never made for just one block.
        blocks = (length + size - 1) // size + (1 if is_exporting() else 0)
        pairs = torch.cat([key, value], -1)  # cut and put together as one
        query, pairs, seen = (_in_blocks(each, blocks, size) for each in (query, pairs, valid[..., None]))
        pairs, seen = (_with_neighbours(each, window) for each in (pairs, seen))
        key, value = pairs.chunk(2, -1)
        seen = seen.transpose(-1, -2) & _band(size, window, query.device)
        something = seen.any(-1, keepdim=True)
        # Blocks stand beside the batch: torch's fused attention wants four dimensions.
        mixed = F.scaled_dot_product_attention(
            query.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1), attn_mask=(seen | ~something).flatten(0, 1)
        ).unflatten(0, something.shape[:2])
        mixed = zeroed(mixed, something)
        return mixed.transpose(1, 2).flatten(2, 3)[:, :, :length]

    def extra_repr(self) -> str:
        return f"window={self.window}"


def _in_blocks(of_tokens: Tensor, blocks: int, size: int) -> Tensor:
    """(b, h, n, c) to (b, blocks, h, size, c), zeros in the end."""
    missing = blocks * size - of_tokens.shape[2]
    # Both numbers are given: finding one from the other takes torch.export a minute a layer.
    return F.pad(of_tokens, (0, 0, 0, missing)).unflatten(2, (blocks, size)).transpose(1, 2)


def _with_neighbours(blocks: Tensor, window: int) -> Tensor:
    """Each block between the end of the one before and the start of the next: (b, blocks, h, size + 2w, c)."""
    around = F.pad(blocks, (0, 0, 0, 0, 0, 0, 1, 1))
    before = blocks.shape[3] - window
    return torch.cat([around[:, :-2, :, before:], blocks, around[:, 2:, :, :window]], dim=3)


def _band(size: int, window: int, device: torch.device) -> Tensor:
    """Which of the keys that a block meets each of its queries sees: (size, size + 2 window)."""
    shift = torch.arange(size + 2 * window, device=device) - torch.arange(size, device=device)[:, None]
    return (shift >= 0) & (shift <= 2 * window)
