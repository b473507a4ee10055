"""Attention to the neighbours in the sequence."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sampleformer.attention.mixings.base import Mixing
from sampleformer.attention.mixings.records import Keys, Queries
from sampleformer.distributed.over_shards import padded_to_halo, with_halo
from sampleformer.distributed.token_shards import current_shard
from sampleformer.functional.overlapping import overlapping_blocks
from sampleformer.tracing import is_exporting
from sampleformer.zeroing import zeroed

LEAST_BLOCK = 32
"""Smaller blocks would compute less, but so little at a time that they take longer."""


class WindowMixing(Mixing):
    """Softmax of the scaled dot product over the keys at most so many places away: cost O(n·window).

    Places are those in the tensor, or `Keys.places`. The sequence is cut into blocks, at least as long as the window; a
    block of queries meets its own keys and as many to each side as the window reaches, of which a band is seen.

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
    joining = True
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
            valid = None if keys.valid is None else keys.valid[:, 0]
            return self._mixed(queries.q, keys.k, keys.v, valid, keys.places)
        assert keys.valid is not None
        heads, e = keys.k.shape[1], keys.k.shape[3]
        seen = keys.valid.expand(-1, heads, -1)[..., None].to(keys.k.dtype)
        around, own = with_halo(torch.cat([keys.k, keys.v, seen], dim=-1), self.window)
        key, value, seen = around.split([e, e, 1], dim=-1)
        query = padded_to_halo(queries.q, own, around.shape[2])
        return self._mixed(query, key, value, seen[:, 0, :, 0] > 0)[:, :, own]

    def _mixed(
        self, query: Tensor, key: Tensor, value: Tensor, valid: Tensor | None, places: Tensor | None = None
    ) -> Tensor:
        length = query.shape[2]
        if not torch.compiler.is_compiling() and not length:
            return query
        if places is None:
            places = torch.arange(length, device=query.device).expand(query.shape[0], -1)
        # Traced for any length, a program keeps the window that it was made with.
        window = self.window if torch.compiler.is_compiling() else min(self.window, max(length - 1, 0))
        size = max(LEAST_BLOCK, window)
        # An exported program is never made for just one block.
        blocks = (length + size - 1) // size + (1 if is_exporting() else 0)
        query, key, value = (each.transpose(1, 2) for each in (query, key, value))
        places = places + (window + 1)  # of what is no key it is zero
        known = places if valid is None else places * valid
        query, places = (overlapping_blocks(each, size, blocks, 0) for each in (query, places))
        key, value, known = (overlapping_blocks(each, size, blocks, window) for each in (key, value, known))
        seen = (places[..., None] - known[:, :, None]).abs() <= window
        something = seen.any(-1, keepdim=True)
        # Blocks stand beside the batch: torch's fused attention wants four dimensions.
        query, key, value = (each.flatten(0, 1).transpose(1, 2) for each in (query, key, value))
        mask = (seen | ~something).flatten(0, 1)[:, None]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = mixed.transpose(1, 2).unflatten(0, something.shape[:2])
        if valid is not None:
            mixed = zeroed(mixed, something[..., None])
        return mixed.flatten(1, 2)[:, :length].transpose(1, 2)

    def extra_repr(self) -> str:
        return f"window={self.window}"
