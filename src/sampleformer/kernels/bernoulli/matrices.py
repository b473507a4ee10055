"""Large buckets, whose pairs are too many to be met one by one: a matrix stands for all of them.

``Σ_j (g_i · v_j) k_j = (Σ_j k_j v_jᵀ) g_i``: a bucket of n queries and k keys takes (n + k)·e·c operations in place of
n·k·(e + c). So the gradients of queries and keys are linear in the tokens, however these fall into the buckets.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sampleformer.kernels.bernoulli.operands import block_width, blocks, precision
from sampleformer.kernels.bernoulli.sorting import SortedCodes

LARGE = 128
"""A bucket is large if its pairs are more than so many times its tokens. No less than a block of own tokens."""
CHUNK = 1024
"""Tokens that one program adds up; the matrices of a larger bucket's chunks are added afterwards."""
NUMBERS = 1024


def slots_for(own_length: int, other_length: int) -> int:
    """Chunks of large buckets that a table can have: of so many tokens, how ever they fall; 0 if none can be large."""
    largest = min(own_length, other_length) // (LARGE + 1)
    return largest + other_length // CHUNK if largest else 0


@dataclass(frozen=True)
class LargeBuckets:
    """The matrices of large buckets.

    Attributes:
        first_slots: ``(tables, buckets + 2)`` int32: the slot of each bucket's matrix; a bucket has one if the next
            bucket's is another one.
        matrices: ``(tables, slots, c, e)`` float32.
    """

    first_slots: Tensor
    matrices: Tensor

    @classmethod
    def of(
        cls, own: SortedCodes, other: SortedCodes, left: Tensor, right: Tensor, own_length: int, buckets: int
    ) -> "LargeBuckets | None":
        """``Σ_j left_j right_jᵀ`` over the other tokens of each bucket in which many meet many; None: there is no such.

        Args:
            own: those that will read.
            other: those that are added up.
            left: ``(rows, k, c)``, of the others.
            right: ``(rows, k, e)``, of the others.
            own_length: n.
            buckets: how many a table has.
        """
        rows, length, value_width = left.shape
        slots = slots_for(own_length, length)
        if slots == 0:
            return None
        counts, others = (codes.starts.diff().view(-1, buckets + 1).long() for codes in (own, other))
        is_large = counts * others > LARGE * (counts + others)
        is_large[:, buckets] = False
        chunks = torch.where(is_large, (others + CHUNK - 1) // CHUNK, 0).cumsum(1, dtype=torch.int32)
        first_slots, tables = F.pad(chunks, (1, 0)), len(chunks)
        every = torch.arange(slots, device=left.device, dtype=torch.int32).expand(tables, slots).contiguous()
        bucket_of_slot = torch.searchsorted(chunks, every, right=True, out_int32=True)
        matrices = left.new_empty(tables, slots, value_width, right.shape[2], dtype=torch.float32)
        cls._fill(matrices, left, right, other, first_slots, bucket_of_slot, buckets, tables // rows)
        return cls(first_slots, matrices)

    @staticmethod
    def _fill(
        matrices: Tensor,
        left: Tensor,
        right: Tensor,
        other: SortedCodes,
        first_slots: Tensor,
        bucket_of_slot: Tensor,
        buckets: int,
        hashes: int,
    ) -> None:
        from sampleformer.kernels.bernoulli.matrices_triton import build_kernel, fold_kernel

        tables, slots, value_width, width = matrices.shape
        build_kernel[(tables * slots,)](
            left,
            right,
            other.order,
            other.starts,
            first_slots,
            bucket_of_slot,
            matrices,
            left.shape[1],
            width,
            value_width,
            hashes,
            buckets,
            slots,
            OTHER=blocks(left, right)["OTHER"],
            CHUNK=CHUNK,
            WIDTH=block_width(width),
            VALUE_WIDTH=block_width(value_width),
            PRECISION=precision(left, right),
            num_stages=2,
        )
        size = value_width * width
        fold_kernel[(tables * slots, -(-size // NUMBERS))](
            first_slots, bucket_of_slot, matrices, size, buckets, slots, NUMBERS=NUMBERS
        )
