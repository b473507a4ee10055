"""Soft and hard choice in Triton: a program has some slots of a row, and goes over the other side's in blocks."""

import triton
import triton.language as tl

from sampleformer.kernels.products_triton import product


@triton.jit
def mix_kernel(
    values, own, out, scores, other_scores, temperature, valid, other_valid, count, others, width, slots,
    values_by_row, values_by_slot, own_by_row, own_by_slot,
    INTO_TOP: tl.constexpr, VALID: tl.constexpr, OTHER_VALID: tl.constexpr, PRECISION: tl.constexpr,
    WIDEN: tl.constexpr, BLOCK: tl.constexpr, OTHERS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """``out_a = Σ_b l_ab values_b``, l the share that rest has of top; into top also ``+ (1 - Σ_b l_ab) own_a``."""
    row = tl.program_id(0).to(tl.int64)
    slot = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    lane = tl.program_id(2) * LANES + tl.arange(0, LANES)
    inside = slot < count
    here = _holds(valid + row * count, slot, inside, VALID)
    cold = 1 / tl.load(temperature + row)
    score = tl.load(scores + row * count + slot, mask=here, other=0.0) * cold
    mixed = tl.zeros([BLOCK, LANES], tl.float32)
    losses = tl.zeros([BLOCK], tl.float32)
    for start in range(0, others, OTHERS):
        other = start + tl.arange(0, OTHERS)
        there = _holds(other_valid + row * others, other, other < others, OTHER_VALID)
        other_score = tl.load(other_scores + row * others + other, mask=there, other=0.0) * cold
        lead = score[:, None] - other_score[None, :]
        if not INTO_TOP:
            lead = -lead
        loses = tl.where(here[:, None] & there[None, :], 1 / (1 + tl.exp(lead)), 0.0)
        at = values + row * values_by_row + other[:, None].to(tl.int64) * values_by_slot + lane[None, :]
        value = tl.load(at, mask=there[:, None] & (lane < width)[None, :], other=0.0)
        mixed = product(loses.to(value.dtype), value, mixed, PRECISION, WIDEN)
        losses += tl.sum(loses, 1)
    mixed = mixed / slots
    written = inside[:, None] & (lane < width)[None, :]
    if INTO_TOP:
        at = own + row * own_by_row + slot[:, None].to(tl.int64) * own_by_slot + lane[None, :]
        mixed += (1 - losses / slots)[:, None] * tl.load(at, mask=written, other=0.0).to(tl.float32)
    at = out + (row * count + slot[:, None]) * width + lane[None, :]
    tl.store(at, mixed.to(out.dtype.element_ty), mask=written)


@triton.jit
def pull_kernel(
    left, right, top, scores, other_scores, temperature, valid, other_valid, found, own, stretched, lost, count,
    others, width, slots, left_by_row, left_by_slot, right_by_row, right_by_slot, top_by_row, top_by_slot,
    OF_TOP: tl.constexpr, VALID: tl.constexpr, OTHER_VALID: tl.constexpr, WHOLE: tl.constexpr,
    PRECISION: tl.constexpr, WIDEN: tl.constexpr, BLOCK: tl.constexpr, OTHERS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """``found_a = Σ_b p_ab (1 - p_ab) (own - <left_a, right_b>)``, own being ``<g_i, top_i>`` of the one that is top.

    The side of top comes first: it writes what own is, which the side of rest reads.
    """
    row = tl.program_id(0).to(tl.int64)
    slot = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = slot < count
    here = _holds(valid + row * count, slot, inside, VALID)
    cold = 1 / tl.load(temperature + row)
    score = tl.load(scores + row * count + slot, mask=here, other=0.0) * cold
    lanes = tl.arange(0, LANES)
    left_at = left + row * left_by_row + slot[:, None].to(tl.int64) * left_by_slot
    right_row = right + row * right_by_row
    first = tl.load(left_at + lanes[None, :], mask=here[:, None] & (lanes < width)[None, :], other=0.0)
    gain = tl.zeros([BLOCK], tl.float32)
    if OF_TOP:
        top_at = top + row * top_by_row + slot[:, None].to(tl.int64) * top_by_slot
        for start in range(0, width, LANES):
            lane = start + lanes
            read = here[:, None] & (lane < width)[None, :]
            ours = tl.load(top_at + lane[None, :], mask=read, other=0.0).to(tl.float32)
            gain += tl.sum(ours * tl.load(left_at + lane[None, :], mask=read, other=0.0).to(tl.float32), 1)
        tl.store(own + row * slots + slot, gain, mask=inside)
    pulls = tl.zeros([BLOCK], tl.float32)
    stretches = tl.zeros([BLOCK], tl.float32)
    losses = tl.zeros([BLOCK], tl.float32)
    for start in range(0, others, OTHERS):
        other = start + tl.arange(0, OTHERS)
        there = _holds(other_valid + row * others, other, other < others, OTHER_VALID)
        other_score = tl.load(other_scores + row * others + other, mask=there, other=0.0) * cold
        right_at = right_row + other[None, :].to(tl.int64) * right_by_slot
        inner = tl.zeros([BLOCK, OTHERS], tl.float32)
        if WHOLE:
            read = there[None, :] & (lanes < width)[:, None]
            theirs = tl.load(right_at + lanes[:, None], mask=read, other=0.0)
            inner = product(first, theirs, inner, PRECISION, WIDEN)
        else:
            for begin in range(0, width, LANES):
                lane = begin + lanes
                ours = tl.load(left_at + lane[None, :], mask=here[:, None] & (lane < width)[None, :], other=0.0)
                read = there[None, :] & (lane < width)[:, None]
                theirs = tl.load(right_at + lane[:, None], mask=read, other=0.0)
                inner = product(ours, theirs, inner, PRECISION, WIDEN)
        lead = score[:, None] - other_score[None, :]
        loses = tl.where(here[:, None] & there[None, :], 1 / (1 + tl.exp(lead)), 0.0)
        slope = loses * (1 - loses)  # the same from either side
        if OF_TOP:
            tug = slope * (gain[:, None] - inner)
            stretches += tl.sum(tug * lead, 1)
            losses += tl.sum(loses, 1)
        else:
            other_gain = tl.load(own + row * slots + other, mask=there, other=0.0)
            tug = slope * (other_gain[None, :] - inner)
        pulls += tl.sum(tug, 1)
    tl.store(found + row * count + slot, pulls, mask=inside)
    if OF_TOP:
        tl.store(stretched + row * slots + slot, stretches, mask=inside)
        tl.store(lost + row * slots + slot, losses / slots, mask=inside)


@triton.jit
def _holds(valid, slot, inside, KNOWN: tl.constexpr):
    """Whether a slot holds a token."""
    holds = inside
    if KNOWN:
        holds = tl.load(valid + slot, mask=inside, other=0).to(tl.int1)
    return holds
