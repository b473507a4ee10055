"""The sampled gradients of queries and keys, pair by pair inside the buckets.

Floor: for each hash and each side, ``n·(e + 2·c)·size`` bytes of the tokens and ``n·e·8`` of the sums, and of each pair
of a bucket ``2·(e + c)`` operations, or of each token of a large bucket ``4·e·c``: linear in n, whatever the buckets.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sampleformer.kernels.availability import interpreting
from sampleformer.kernels.bernoulli.matrices import LargeBuckets, slots_for
from sampleformer.kernels.bernoulli.operands import block_width, blocks, precision
from sampleformer.kernels.bernoulli.sorting import SortedCodes, portions

PART = 32
"""Columns of a large bucket's matrix that are read at once."""
NUMBERS_OF_SUMS = 2**24
"""Numbers of float32 that the sums of several hashes may have, to be added up afterwards (64 MiB)."""


@torch.library.custom_op("sampleformer::bernoulli_outer_triton", mutates_args=())
def bernoulli_outer(
    query_codes: Tensor,
    key_codes: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    gradient: Tensor,
    buckets: int,
    scale: float,
    deterministic: bool,
) -> tuple[Tensor, Tensor]:
    """``scale Σ_hash Σ_j [code_i = code_j] (g_i · v_j) k_j`` of query i, and ``scale Σ_hash Σ_i […] (v_j · g_i) q_i``.

    Args:
        query_codes: ``(b, h, m, n)`` int32.
        key_codes: ``(b, h, m, k)`` int32.
        query: ``(b, h, n, e)``.
        key: ``(b, h, k, e)``.
        value: ``(b, h, k, c)``.
        gradient: ``(b, h, n, c)``, g.
        buckets: how many a hash has.
        scale: of both.
        deterministic: whether the hashes are added up in their order, or all at once with atomics.

    Returns:
        ``(b, h, n, e)`` and ``(b, h, k, e)`` in the dtypes of query and key.
    """
    of_query, of_key = (tensor.new_zeros(tensor.shape, dtype=torch.float32) for tensor in (query, key))
    if of_query.numel() and of_key.numel() and value.shape[-1]:
        tensors = (query_codes, key_codes, query, key, value.to(gradient.dtype), gradient, of_query, of_key)
        codes_q, codes_k, q, k, v, g, of_q, of_k = (tensor.flatten(0, 1).contiguous() for tensor in tensors)
        rows, hashes, length = codes_q.shape
        with torch.cuda.device_of(query):
            of_matrices = max(slots_for(length, k.shape[1]), slots_for(k.shape[1], length)) * q.shape[2] * v.shape[2]
            for row, hash_ in portions(rows, hashes, length + k.shape[1], of_matrices + 4 * buckets):
                queries, keys = (SortedCodes.of(codes[row, hash_], buckets) for codes in (codes_q, codes_k))
                hashes_here = codes_q[row, hash_].shape[1]
                to_queries = _Pull(g[row], v[row], k[row], queries, keys, buckets)
                to_queries.add_to(of_q[row], hashes_here, deterministic=deterministic)
                to_keys = _Pull(v[row], g[row], q[row], keys, queries, buckets)
                to_keys.add_to(of_k[row], hashes_here, deterministic=deterministic)
    return of_query.mul_(scale).to(query.dtype), of_key.mul_(scale).to(key.dtype)


@dataclass(frozen=True)
class _Pull:
    """What own tokens get from the others in their buckets: ``Σ_j [code_i = code_j] (left_i · left_j) right_j``."""

    own_left: Tensor  # (rows, n, c)
    other_left: Tensor  # (rows, k, c)
    other_right: Tensor  # (rows, k, e)
    own: SortedCodes
    other: SortedCodes
    buckets: int

    def add_to(self, result: Tensor, hashes: int, *, deterministic: bool) -> None:
        """To ``(rows, n, e)`` float32, hash after hash unless with atomics."""
        large = LargeBuckets.of(self.own, self.other, self.other_left, self.other_right, result.shape[1], self.buckets)
        if not deterministic:
            self._run(result, large, hashes, 0, hashes, "atomics")
            return
        together = max(1, NUMBERS_OF_SUMS // result.numel())
        for first in range(0, hashes, together):
            count = min(together, hashes - first)
            if count == 1:
                self._run(result, large, hashes, first, 1, "one")
            else:  # starting a kernel for each takes longer than the room for several
                each = result.new_empty(count, *result.shape)
                self._run(each, large, hashes, first, count, "each")
                result += each.sum(0)

    def _run(self, result: Tensor, large: LargeBuckets | None, hashes: int, first: int, count: int, adds: str) -> None:
        from sampleformer.kernels.bernoulli.pairs_triton import pairs_kernel

        rows, length, value_width = self.own_left.shape
        width = self.other_right.shape[2]
        sizes = blocks(self.own_left, self.other_right)
        of_row = -(-length // sizes["OWN"])
        pairs_kernel[(of_row * rows * count,)](
            self.own_left,
            self.other_left,
            self.other_right,
            self.own.numbers,
            self.own.order,
            self.other.numbers,
            self.other.order,
            self.other.starts,
            None if large is None else large.first_slots,
            None if large is None else large.matrices,
            result,
            length,
            self.other_left.shape[1],
            width,
            value_width,
            hashes,
            first,
            self.buckets,
            0 if large is None else large.matrices.shape[1],
            of_row,
            rows,
            **sizes,
            WIDTH=block_width(width),
            VALUE_WIDTH=block_width(value_width),
            WIDEN=interpreting(),
            PRECISION=precision(self.own_left, self.other_right),
            PART=PART,
            HAS_LARGE=large is not None,
            ADDS=adds,
        )


@bernoulli_outer.register_fake
def _(
    query_codes: Tensor,
    key_codes: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    gradient: Tensor,
    buckets: int,
    scale: float,
    deterministic: bool,
) -> tuple[Tensor, Tensor]:
    return query.new_empty(query.shape), key.new_empty(key.shape)
