"""What the kernels of Maxout attention do with a tile of pairs, in Triton; see `kernels.maxout`.

A tile of pairs is a block of rows that the program streams over times the columns that it owns, one column a thread:
what is summed over the rows never leaves its thread. Queries and keys come with one row a channel, so that a warp's
loads lie side by side, standardised and scaled by 2^60: the sum of maxima is divided by that, and
``clamp(q - k, -1, 1)`` is the sign of the difference, zero where they are equal.
"""

import triton
import triton.language as tl

SCALE = tl.constexpr(2.0**60)
UNSCALE = tl.constexpr(2.0**-60)
NOTHING = tl.constexpr(float("-inf"))


@triton.jit
def channels_first(
    tokens, result, batch_stride, head_stride, token_stride, heads, length, padded, mean, factor,
    E: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """``(x - mean) · factor`` of (b, h, n, e) as (b, h, e, padded) in float32; zeros in the padding."""
    blocks = padded // BLOCK
    row = tl.program_id(0) // blocks
    places = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    channels = tl.arange(0, WIDTH)
    start = tokens + (row // heads).to(tl.int64) * batch_stride + (row % heads).to(tl.int64) * head_stride
    there = (places < length)[:, None] & (channels < E)[None, :]
    numbers = tl.load(start + places.to(tl.int64)[:, None] * token_stride + channels[None, :], mask=there, other=0.0)
    numbers = tl.where(there, (numbers.to(tl.float32) - mean) * factor, 0.0)
    to = result + row.to(tl.int64) * E * padded + channels.to(tl.int64)[:, None] * padded + places[None, :]
    tl.store(to, tl.trans(numbers), mask=(channels < E)[:, None])


@triton.jit
def sums_of_maxima(
    rows, columns, row_stride, column_stride,
    E: tl.constexpr, TOGETHER: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """``Σ_c max(row_c, column_c)`` of every pair of a tile."""
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for _ in range(0, E, TOGETHER):
        for _ in tl.static_range(TOGETHER):
            row, column = tl.load(rows), tl.load(columns)
            total += tl.maximum(row[:, None], column[None, :], propagate_nan=tl.PropagateNan.ALL)
            rows += row_stride
            columns += column_stride
    return total * UNSCALE


@triton.jit
def sums_of_products(
    rows, columns, row_stride, column_stride,
    E: tl.constexpr, TOGETHER: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """``Σ_c row_c column_c`` of every pair of a tile. No `tl.dot`: of what comes from a tensor core, no thread would
    have a column."""
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for _ in range(0, E, TOGETHER):
        for _ in tl.static_range(TOGETHER):
            row, column = tl.load(rows), tl.load(columns)
            total += row[:, None] * column[None, :]
            rows += row_stride
            columns += column_stride
    return total


@triton.jit
def add_signed(
    rows, columns, gradient, result, row_stride, column_stride, first,
    E: tl.constexpr, TOGETHER: tl.constexpr,
):  # fmt: skip
    """Adds ``Σ_i gradient_ij sign(column_jc - row_ic)`` of a tile to what the program has for its columns."""
    for _ in range(0, E, TOGETHER):
        for _ in tl.static_range(TOGETHER):
            row, column = tl.load(rows), tl.load(columns)
            signs = tl.minimum(tl.maximum(column[None, :] - row[:, None], -1.0), 1.0)
            before = tl.load(result, mask=first != 0, other=0.0)
            tl.store(result, before + tl.sum(gradient * signs, 0))
            rows += row_stride
            columns += column_stride
            result += column_stride


@triton.jit
def finish_signed(result, total, factor, column_stride, E: tl.constexpr):
    """``(what was added up + total) · factor``: of a maximum, half of the gradient and half of the signed one."""
    for _ in range(E):
        tl.store(result, (tl.load(result) + total) * factor)
        result += column_stride


@triton.jit
def softplus(x):
    """``log(1 + exp x)``, to float32's precision also where it is small."""
    small = tl.exp(-tl.abs(x))
    rounded = 1.0 + small
    lost = tl.where(rounded == 1.0, 1.0, rounded - 1.0)
    return tl.maximum(x, 0.0) + tl.where(rounded == 1.0, small, tl.log(rounded) * (small / lost))


@triton.jit
def unnormalised(logits, alive):
    """``relu``, and zero where there is no pair; what is no number stays none."""
    return tl.where(alive & ~(logits <= 0.0), logits, 0.0)


@triton.jit
def seen(valid, head, slots, keys, queries, length):
    """Which pairs there are: slots (s, 1) that hold something, and queries (1, q) that are none of the padding."""
    there = slots < keys
    if valid is not None:
        there = there & (tl.load(valid + head * keys + slots, mask=there, other=0) != 0)
    return there & (queries < length)


@triton.jit
def related(scores, multiplicative, additive, places, alive, anchor, anchored, never):
    """Logits of a tile of scores, and the multiplicative terms.

    The terms come from memory with neighbours of a row in one thread. A load that never happens, of numbers of which
    nothing is known to lie side by side, makes the compiler move them to the threads that have the columns.
    """
    term = tl.load(multiplicative + places, mask=alive, other=0.0).to(tl.float32)
    added = tl.load(additive + places, mask=alive, other=0.0).to(tl.float32)
    scores += tl.load(anchor + anchored, mask=never, other=0.0)
    return scores * softplus(term) + added, term


@triton.jit
def pair_gradients(
    logits, of_weights, inner, statistic, alive, RELU: tl.constexpr,
):  # fmt: skip
    """Weights of a tile, and the gradient of its logits from that of the weights; what is alike for all pairs of a
    query comes as a row or a column."""
    if RELU:
        positive = alive & ~(logits <= 0.0)
        weights = tl.where(positive, logits / statistic, 0.0)
        of_logits = tl.where(positive, (of_weights - inner) / statistic, 0.0)
    else:
        weights = tl.where(alive, tl.exp(logits - statistic), 0.0)
        of_logits = weights * (of_weights - inner)
    return weights, of_logits
