"""Attention by Maxout scores in Triton, forward; see `kernels.maxout`."""

import triton
import triton.language as tl

from sampleformer.kernels.maxout_tiles_triton import NOTHING, related, seen, sums_of_maxima, unnormalised
from sampleformer.kernels.products_triton import product


@triton.jit
def forward(
    query, key, value, valid, multiplicative, additive, escape, result, statistic,
    length, keys, length_padded, keys_padded,
    E: tl.constexpr, TOGETHER: tl.constexpr, C: tl.constexpr, WIDTH: tl.constexpr, RELU: tl.constexpr,
    PRECISION: tl.constexpr, WIDEN: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """A block of queries: what they gather, and their denominators (or the logarithms of them) for the backward."""
    blocks = length_padded // COLUMNS
    head = (tl.program_id(0) // blocks).to(tl.int64)
    own = tl.arange(0, COLUMNS)
    queries = (tl.program_id(0) % blocks) * COLUMNS + own
    base = (head * length + (tl.program_id(0) % blocks) * COLUMNS) * keys  # of the pairs
    channels = tl.arange(0, WIDTH)
    escaping = tl.load(escape + head)
    total = tl.zeros((COLUMNS,), tl.float32)
    largest = tl.zeros((COLUMNS,), tl.float32) + escaping
    if not RELU:
        total = tl.where(largest == NOTHING, 0.0, 1.0)
    gathered = tl.zeros((COLUMNS, WIDTH), tl.float32)
    for first in range(0, keys, ROWS):
        slots = first + tl.arange(0, ROWS)
        alive = seen(valid, head, slots[:, None], keys, queries[None, :], length)
        of_keys, of_queries = key + head * E * keys_padded + slots, query + head * E * length_padded + queries
        logits = sums_of_maxima(of_keys, of_queries, keys_padded, length_padded, E, TOGETHER, ROWS, COLUMNS)
        if multiplicative is not None:
            places = own[None, :] * keys + slots[:, None]
            anchored = queries[None, :] * keys + slots[:, None] * length
            never = (queries < 0)[None, :] & (slots < 0)[:, None]
            logits, _ = related(
                logits, multiplicative + base, additive + base, places, alive, statistic, anchored, never
            )
        if RELU:
            weights = unnormalised(logits, alive)
        else:
            logits = tl.where(alive, logits, NOTHING)
            now_largest = tl.maximum(largest, tl.max(logits, 0))
            finite = tl.where(now_largest == NOTHING, 0.0, now_largest)  # infinity minus infinity is no number
            weights = tl.exp(logits - finite[None, :])
            shrunk = tl.exp(largest - finite)
            total *= shrunk
            gathered *= shrunk[:, None]
            largest = now_largest
        total += tl.sum(weights, 0)
        filled = seen(valid, head, slots[:, None], keys, channels[None, :], C)
        values = tl.load(value + (head * keys + slots[:, None]) * C + channels[None, :], mask=filled, other=0.0)
        gathered = product(tl.trans(weights).to(values.dtype), values, gathered, PRECISION, WIDEN)
    divisor = tl.where(total == 0.0, 1.0, total)
    if RELU:
        divisor = tl.where(total == 0.0, 1.0, total + escaping)
        tl.store(statistic + head * length + queries, divisor, mask=queries < length)
    else:
        tl.store(statistic + head * length + queries, tl.where(total == 0.0, 0.0, largest + tl.log(divisor)),
                 mask=queries < length)  # fmt: skip
    to = result + (head * length + queries[:, None]) * C + channels[None, :]
    gathered = gathered / divisor[:, None]
    tl.store(to, gathered.to(result.dtype.element_ty), mask=(queries < length)[:, None] & (channels < C)[None, :])
