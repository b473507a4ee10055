"""The kernels of sums over collisions: tables are filled, then read."""

import triton
import triton.language as tl


@triton.jit
def fill_kernel(
    values,
    order,
    starts,
    tables,
    length,
    width,
    hashes,
    buckets,
    TOKENS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """The sum of one bucket's values, in the order of its tokens: ``tables`` are ``(rows, hashes, buckets, width)``."""
    bucket = tl.program_id(0).to(tl.int64)
    table = bucket // buckets
    start = tl.load(starts + bucket + table)
    end = tl.load(starts + bucket + table + 1)
    column = tl.arange(0, WIDTH)
    of_row = values + table // hashes * length * width
    total = tl.zeros((TOKENS, WIDTH), dtype=tl.float32)
    for at in range(start, end, TOKENS):
        place = at + tl.arange(0, TOKENS)
        is_there = place < end
        token = tl.load(order + place, mask=is_there, other=0) - table * length
        is_there_too = is_there[:, None] & (column < width)[None, :]
        total += tl.load(of_row + token[:, None] * width + column[None, :], mask=is_there_too, other=0.0).to(tl.float32)
    tl.store(tables + bucket * width + column, tl.sum(total, axis=0), mask=column < width)


@triton.jit
def fill_atomic_kernel(
    values,
    codes,
    tables,
    length,
    width,
    hashes,
    buckets,
    row_stride,
    hash_stride,
    blocks,
    TOKENS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Adds TOKENS values of one row to their buckets in every hash, in whatever order they come."""
    row = (tl.program_id(0) // blocks).to(tl.int64)
    token = tl.program_id(0) % blocks * TOKENS + tl.arange(0, TOKENS)
    column = tl.arange(0, WIDTH)
    is_there = (token < length)[:, None] & (column < width)[None, :]
    value = tl.load(values + (row * length + token)[:, None] * width + column[None, :], mask=is_there, other=0.0)
    value = value.to(tl.float32)
    for hash_ in range(hashes):
        code = tl.load(codes + row * row_stride + hash_ * hash_stride + token, mask=token < length, other=buckets)
        place = ((row * hashes + hash_) * buckets + code)[:, None] * width + column[None, :]
        tl.atomic_add(tables + place, value, mask=is_there & (code < buckets)[:, None], sem="relaxed")


@triton.jit
def read_kernel(
    tables,
    codes,
    wide,
    result,
    length,
    width,
    hashes,
    buckets,
    row_stride,
    hash_stride,
    blocks,
    scale,
    TOKENS: tl.constexpr,
    WIDTH: tl.constexpr,
    IS_FIRST: tl.constexpr,
    IS_LAST: tl.constexpr,
):
    """The sum over the hashes of the rows that TOKENS codes name; ``wide`` carries it from portion to portion."""
    row = (tl.program_id(0) // blocks).to(tl.int64)
    token = tl.program_id(0) % blocks * TOKENS + tl.arange(0, TOKENS)
    column = tl.arange(0, WIDTH)
    is_there = (token < length)[:, None] & (column < width)[None, :]
    place = (row * length + token)[:, None] * width + column[None, :]
    total = tl.zeros((TOKENS, WIDTH), dtype=tl.float32)
    if not IS_FIRST:
        total += tl.load(wide + place, mask=is_there, other=0.0)
    for hash_ in range(hashes):
        code = tl.load(codes + row * row_stride + hash_ * hash_stride + token, mask=token < length, other=buckets)
        at = ((row * hashes + hash_) * buckets + code)[:, None] * width + column[None, :]
        total += tl.load(tables + at, mask=is_there & (code < buckets)[:, None], other=0.0)
    if IS_LAST:
        tl.store(result + place, total * scale, mask=is_there)
    else:
        tl.store(wide + place, total, mask=is_there)
