"""Attention by Maxout scores in Triton, backward; see `kernels.maxout`."""

import triton
import triton.language as tl

from sampleformer.kernels.maxout_tiles_triton import (
    add_signed,
    finish_signed,
    pair_gradients,
    related,
    seen,
    softplus,
    sums_of_maxima,
    sums_of_products,
)
from sampleformer.kernels.products_triton import product


@triton.jit
def backward_queries(
    query, key, value, valid, multiplicative, additive, result, statistic, gradient, gradient_by_channel,
    of_query, of_multiplicative, of_additive, inner,
    length, keys, length_padded, keys_padded, factor,
    E: tl.constexpr, TOGETHER: tl.constexpr, C: tl.constexpr, VALUES_TOGETHER: tl.constexpr, WIDTH: tl.constexpr,
    RELU: tl.constexpr, PRECISION: tl.constexpr, WIDEN: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Gradients of a block of queries and of their terms, and the inner product of their result and its gradient."""
    blocks = length_padded // COLUMNS
    head = (tl.program_id(0) // blocks).to(tl.int64)
    columns = tl.arange(0, COLUMNS)
    queries = (tl.program_id(0) % blocks) * COLUMNS + columns
    base = (head * length + (tl.program_id(0) % blocks) * COLUMNS) * keys  # of the pairs
    channels = tl.arange(0, WIDTH)
    inside = (queries < length)[:, None] & (channels < C)[None, :]
    at = (head * length + queries[:, None]) * C + channels[None, :]
    upstream = tl.load(gradient + at, mask=inside, other=0.0)
    products = upstream.to(tl.float32) * tl.load(result + at, mask=inside, other=0.0).to(tl.float32)
    inner_product = tl.sum(products, 1)
    tl.store(inner + head * length + queries, inner_product, mask=queries < length)
    divisor = tl.load(statistic + head * length + queries, mask=queries < length, other=1.0)
    total = tl.zeros((COLUMNS,), tl.float32)
    own = of_query + head * E * length_padded + queries
    for first in range(0, keys, ROWS):
        slots = first + tl.arange(0, ROWS)
        alive = seen(valid, head, slots[:, None], keys, queries[None, :], length)
        of_keys, of_queries = key + head * E * keys_padded + slots, query + head * E * length_padded + queries
        scores = sums_of_maxima(of_keys, of_queries, keys_padded, length_padded, E, TOGETHER, ROWS, COLUMNS)
        of_weights = sums_of_products(
            value + head * C * keys_padded + slots, gradient_by_channel + head * C * length_padded + queries,
            keys_padded, length_padded, C, VALUES_TOGETHER, ROWS, COLUMNS,
        )  # fmt: skip
        places = columns[None, :] * keys + slots[:, None]
        logits = scores
        if multiplicative is not None:
            anchored = queries[None, :] * keys + slots[:, None] * length
            never = (queries < 0)[None, :] & (slots < 0)[:, None]
            logits, term = related(
                scores, multiplicative + base, additive + base, places, alive, statistic, anchored, never
            )
        _, of_scores = pair_gradients(logits, of_weights, inner_product[None, :], divisor[None, :], alive, RELU)
        if multiplicative is not None:
            stored = (slots < keys)[:, None] & (queries < length)[None, :]
            tl.store(of_additive + base + places, of_scores.to(of_additive.dtype.element_ty), mask=stored)
            of_term = tl.where(alive, of_scores * scores * tl.sigmoid(term), 0.0)
            tl.store(of_multiplicative + base + places, of_term.to(of_multiplicative.dtype.element_ty), mask=stored)
            of_scores = of_scores * softplus(term)
        total += tl.sum(of_scores, 0)
        add_signed(of_keys, of_queries, of_scores, own, keys_padded, length_padded, first, E, TOGETHER)
        tl.debug_barrier()
    finish_signed(own, total, factor, length_padded, E)


# Were the number of keys known to be a multiple of 16, the compiler would load several terms a thread, see `related`.
@triton.jit(do_not_specialize=["keys"])
def backward_keys(
    query, key, value, valid, multiplicative, additive, statistic, gradient, gradient_by_channel, inner,
    of_key, of_value,
    length, keys, length_padded, keys_padded, share, factor,
    E: tl.constexpr, TOGETHER: tl.constexpr, C: tl.constexpr, VALUES_TOGETHER: tl.constexpr, WIDTH: tl.constexpr,
    RELU: tl.constexpr, PRECISION: tl.constexpr, WIDEN: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Gradients of a block of keys and values from a share of the queries; the caller adds the shares up."""
    blocks = keys_padded // COLUMNS
    part = tl.program_id(1)
    head = (tl.program_id(0) // blocks).to(tl.int64)
    slots = (tl.program_id(0) % blocks) * COLUMNS + tl.arange(0, COLUMNS)
    channels = tl.arange(0, WIDTH)
    # Shares of all heads lie one after the other: (shares, heads, …).
    row = part * (tl.num_programs(0) // blocks) + head
    for_values = tl.zeros((COLUMNS, WIDTH), tl.float32)
    total = tl.zeros((COLUMNS,), tl.float32)
    own = of_key + row * E * keys_padded + slots
    start = part * share
    for first in range(start, tl.minimum(start + share, length), ROWS):
        queries = first + tl.arange(0, ROWS)
        alive = seen(valid, head, slots[None, :], keys, queries[:, None], length)
        of_keys, of_queries = key + head * E * keys_padded + slots, query + head * E * length_padded + queries
        scores = sums_of_maxima(of_queries, of_keys, length_padded, keys_padded, E, TOGETHER, ROWS, COLUMNS)
        inside = (queries < length)[:, None] & (channels < C)[None, :]
        at = (head * length + queries[:, None]) * C + channels[None, :]
        upstream = tl.load(gradient + at, mask=inside, other=0.0)
        of_weights = sums_of_products(
            gradient_by_channel + head * C * length_padded + queries, value + head * C * keys_padded + slots,
            length_padded, keys_padded, C, VALUES_TOGETHER, ROWS, COLUMNS,
        )  # fmt: skip
        places = tl.arange(0, ROWS)[:, None] * keys + slots[None, :]
        logits = scores
        if multiplicative is not None:
            base = (head * length + first) * keys
            anchored = queries[:, None] * length + slots[None, :] * keys
            never = (queries < 0)[:, None] & (slots < 0)[None, :]
            logits, term = related(
                scores, multiplicative + base, additive + base, places, alive, statistic, anchored, never
            )
        at_queries = head * length + queries
        divisor = tl.load(statistic + at_queries, mask=queries < length, other=1.0)
        inner_product = tl.load(inner + at_queries, mask=queries < length, other=0.0)
        weights, of_scores = pair_gradients(logits, of_weights, inner_product[:, None], divisor[:, None], alive, RELU)
        for_values = product(tl.trans(weights).to(upstream.dtype), upstream, for_values, PRECISION, WIDEN)
        if multiplicative is not None:
            of_scores = of_scores * softplus(term)
        total += tl.sum(of_scores, 0)
        add_signed(of_queries, of_keys, of_scores, own, length_padded, keys_padded, first - start, E, TOGETHER)
        tl.debug_barrier()
    finish_signed(own, total, factor, keys_padded, E)
    to = of_value + (row * keys + slots[:, None]) * C + channels[None, :]
    tl.store(to, for_values, mask=(slots < keys)[:, None] & (channels < C)[None, :])
