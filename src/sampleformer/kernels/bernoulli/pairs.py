"""The sampled gradients of queries and keys, pair by pair inside the buckets.

Floor: for each hash and each side, ``n·(e + 2·c)·size`` bytes of the tokens and ``n·e·8`` of the sums, and of each pair
of a bucket ``2·(e + c)`` operations, or of each token of a large bucket ``4·e·c``: linear in n, whatever the buckets.
"""

import torch
from torch import Tensor

from sampleformer.kernels.availability import interpreting
from sampleformer.kernels.bernoulli.matrices import LargeBuckets, slots_for
from sampleformer.kernels.bernoulli.operands import block_width, blocks, precision
from sampleformer.kernels.bernoulli.sorting import SortedCodes, portions

PART = 32
"""Columns of a large bucket's matrix that are read at once."""


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
        deterministic: whether hash follows hash, or all add at once with atomics.

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
                _add(g[row], v[row], k[row], queries, keys, of_q[row], hashes_here, buckets, deterministic)
                _add(v[row], g[row], q[row], keys, queries, of_k[row], hashes_here, buckets, deterministic)
    return of_query.mul_(scale).to(query.dtype), of_key.mul_(scale).to(key.dtype)


def _add(
    own_left: Tensor,
    other_left: Tensor,
    other_right: Tensor,
    own: SortedCodes,
    other: SortedCodes,
    result: Tensor,
    hashes: int,
    buckets: int,
    deterministic: bool,
) -> None:
    """Adds to ``result`` what its tokens get from the others in their buckets, hash by hash or all at once."""
    from sampleformer.kernels.bernoulli.pairs_triton import pairs_kernel

    rows, length, width = result.shape
    large = LargeBuckets.of(own, other, other_left, other_right, length, buckets)
    sizes = blocks(own_left, other_right)
    of_row = -(-length // sizes["OWN"])
    for hash_ in range(hashes if deterministic else 1):
        pairs_kernel[(of_row * rows * (1 if deterministic else hashes),)](
            own_left,
            other_left,
            other_right,
            own.numbers,
            own.order,
            other.numbers,
            other.order,
            other.starts,
            None if large is None else large.first_slots,
            None if large is None else large.matrices,
            result,
            length,
            other_left.shape[1],
            width,
            own_left.shape[2],
            hashes,
            hash_,
            buckets,
            0 if large is None else large.matrices.shape[1],
            of_row,
            rows,
            **sizes,
            WIDTH=block_width(width),
            VALUE_WIDTH=block_width(own_left.shape[2]),
            WIDEN=interpreting(),
            PRECISION=precision(own_left, other_right),
            PART=PART,
            HAS_LARGE=large is not None,
            ATOMIC=not deterministic,
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
