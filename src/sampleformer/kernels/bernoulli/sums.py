"""Sums over collisions: values into tables, read back by code.

Floor: for each hash a value is read once and a row of a table once, ``n·m·c·(size + 4)`` bytes for as many queries as
keys, beside ``2^t·m·c·8`` for the tables and the sort of n·m codes. Tables of one portion mostly stay in the cache.
"""

import torch
from torch import Tensor

from sampleformer.kernels.bernoulli.sorting import SortedCodes, portions

NUMBERS_PER_PROGRAM = 2048


@torch.library.custom_op("sampleformer::bernoulli_sum_triton", mutates_args=())
def bernoulli_sum(read_codes: Tensor, write_codes: Tensor, values: Tensor, buckets: int, deterministic: bool) -> Tensor:
    """``out_i = 1/m Σ_hash Σ_j [read_code_i = write_code_j] value_j``.

    Args:
        read_codes: ``(b, h, m, n)`` int32.
        write_codes: ``(b, h, m, k)`` int32.
        values: ``(b, h, k, c)``.
        buckets: how many a hash has.
        deterministic: whether the tokens of a bucket are sorted and added in their order, or with atomics.

    Returns:
        ``(b, h, n, c)`` in the dtype of the values; sums run in float32.
    """
    from sampleformer.kernels.bernoulli.sums_triton import read_kernel

    samples, heads, hashes, length = read_codes.shape
    rows, others, width = samples * heads, *values.shape[-2:]
    result = values.new_zeros(samples, heads, length, width)
    if result.numel() == 0 or others == 0:
        return result
    read, write = (codes.flatten(0, 1).contiguous() for codes in (read_codes, write_codes))
    values, out = values.flatten(0, 1).contiguous(), result.view(rows, length, width)
    columns = 1 << (width - 1).bit_length()
    together = max(1, NUMBERS_PER_PROGRAM // columns)
    blocks = -(-length // together)
    wide = out
    with torch.cuda.device_of(values):
        for row, hash_ in portions(rows, hashes, others, buckets * width):
            tables = _filled(write[row, hash_], values[row], buckets, deterministic)
            codes = read[row, hash_]
            if hash_.start == 0:
                is_one = len(codes[0]) == hashes
                wide = out[row] if is_one else values.new_empty(len(codes), length, width, dtype=torch.float32)
            read_kernel[(len(codes) * blocks,)](
                tables,
                codes,
                wide,
                out[row],
                length,
                width,
                codes.shape[1],
                buckets,
                codes.stride(0),
                codes.stride(1),
                blocks,
                1 / hashes,
                TOKENS=together,
                WIDTH=columns,
                IS_FIRST=hash_.start == 0,
                IS_LAST=hash_.stop >= hashes,
            )
    return result


def _filled(codes: Tensor, values: Tensor, buckets: int, deterministic: bool) -> Tensor:
    """Tables ``(rows, m, buckets, c)`` of the sum of the values in each bucket."""
    from sampleformer.kernels.bernoulli.sums_triton import fill_atomic_kernel, fill_kernel

    rows, hashes, length = codes.shape
    width = values.shape[-1]
    columns = 1 << (width - 1).bit_length()
    together = max(1, NUMBERS_PER_PROGRAM // columns)
    make = values.new_empty if deterministic else values.new_zeros
    tables = make(rows, hashes, buckets, width, dtype=torch.float32)
    if deterministic:
        tokens = SortedCodes.of(codes, buckets)
        fill_kernel[(rows * hashes * buckets,)](
            values,
            tokens.order,
            tokens.starts,
            tables,
            length,
            width,
            hashes,
            buckets,
            TOKENS=together,
            WIDTH=columns,
            num_warps=2,
        )
        return tables
    blocks = -(-length // together)
    fill_atomic_kernel[(rows * blocks,)](
        values,
        codes,
        tables,
        length,
        width,
        hashes,
        buckets,
        codes.stride(0),
        codes.stride(1),
        blocks,
        TOKENS=together,
        WIDTH=columns,
    )
    return tables


@bernoulli_sum.register_fake
def _(read_codes: Tensor, write_codes: Tensor, values: Tensor, buckets: int, deterministic: bool) -> Tensor:
    return values.new_empty((*values.shape[:2], read_codes.shape[-1], values.shape[-1]))
