"""The kernels of `choice`: a program has some of the k slots of a row, and goes over the other side's in blocks."""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from sampleformer.kernels.precision import of_products
from sampleformer.kernels.products_triton import product

FEW = 128
"""With fewer programs than this, half the processors of a large GPU would have nothing to do."""


@dataclass(frozen=True)
class Pairs:
    """The scores of both sides of some rows, contiguous, float32.

    Args:
        top_scores: of the k best, ``(rows, k)``.
        rest_scores: of the next, ``(rows, r)``.
        temperature: of each row, ``(rows,)``.
        top_valid: False where a slot of top holds no token; None: all hold one.
        rest_valid: the same for rest.
    """

    top_scores: Tensor
    rest_scores: Tensor
    temperature: Tensor
    top_valid: Tensor | None
    rest_valid: Tensor | None


@dataclass(frozen=True)
class Pulls:
    """Sums over the other side, float32: ``(rows, k)``, but ``of_rest``, which is ``(rows, r)``.

    Args:
        of_top: of the pulls.
        of_rest: of the pulls.
        stretched: of the pulls times the difference of their scores over the temperature.
        losses: of the probabilities that the other one wins, over k.
    """

    of_top: Tensor
    of_rest: Tensor
    stretched: Tensor
    losses: Tensor


def mix(top: Tensor, rest: Tensor, pairs: Pairs) -> Tensor:
    """``(1 - Σ_j l_ij) top_i + Σ_j l_ij rest_j`` with ``l_ij = (1 - p_ij) / k``, in the dtype of top."""
    return _mixed(rest, top, pairs, top.shape[1])


def gradient_of_rest(gradient: Tensor, pairs: Pairs) -> Tensor:
    """``Σ_i l_ij g_i`` for each j of rest."""
    return _mixed(gradient, None, pairs, gradient.shape[1])


def pull(gradient: Tensor, top: Tensor, rest: Tensor, pairs: Pairs) -> Pulls:
    """``p_ij (1 - p_ij) <g_i, top_i - rest_j>``, summed over j and over i, and what else is summed on the way."""
    rows, slots, width = top.shape
    others = rest.shape[1]
    own, of_top, stretched, losses = torch.empty(4, rows, slots, dtype=torch.float32, device=top.device)
    of_rest = torch.empty(rows, others, dtype=torch.float32, device=top.device)
    if not rows:
        return Pulls(of_top, of_rest, stretched, losses)
    side, next_side = (pairs.top_scores, pairs.top_valid), (pairs.rest_scores, pairs.rest_valid)
    for left, right, (scores, valid), (other_scores, other_valid), found in (
        (gradient, rest, side, next_side, of_top),
        (rest, gradient, next_side, side, of_rest),
    ):
        count = left.shape[1]
        block = _block(rows, count)
        lanes = min(64 if left.dtype == torch.float32 else 128, max(16, triton.next_power_of_2(width)))
        pull_kernel[(rows, triton.cdiv(count, block))](
            left,
            right,
            top,
            scores,
            other_scores,
            pairs.temperature,
            scores if valid is None else valid,
            other_scores if other_valid is None else other_valid,
            found,
            own,
            stretched,
            losses,
            count,
            right.shape[1],
            width,
            slots,
            *left.stride()[:2],
            *right.stride()[:2],
            *top.stride()[:2],
            OF_TOP=found is of_top,
            VALID=valid is not None,
            OTHER_VALID=other_valid is not None,
            WHOLE=width <= lanes,
            **of_products(left.dtype),
            BLOCK=block,
            OTHERS=32,
            LANES=lanes,
            num_warps=4,
            num_stages=2,
        )
    return Pulls(of_top, of_rest, stretched, losses)


def _mixed(values: Tensor, own: Tensor | None, pairs: Pairs, slots: int) -> Tensor:
    """Of each slot of one side the mixture of the other side's values: into top if it has values of its own."""
    into_top = own is not None
    scores, other_scores = (pairs.top_scores, pairs.rest_scores)[:: 1 if into_top else -1]
    valid, other_valid = (pairs.top_valid, pairs.rest_valid)[:: 1 if into_top else -1]
    (rows, count), (_, others, width) = scores.shape, values.shape
    out = values.new_empty(rows, count, width)
    if not out.numel():
        return out
    block = _block(rows, count)
    lanes = min(64, max(16, triton.next_power_of_2(width)))
    kept = values if own is None else own  # read only if it is there
    mix_kernel[(rows, triton.cdiv(count, block), triton.cdiv(width, lanes))](
        values,
        kept,
        out,
        scores,
        other_scores,
        pairs.temperature,
        scores if valid is None else valid,
        other_scores if other_valid is None else other_valid,
        count,
        others,
        width,
        slots,
        *values.stride()[:2],
        *kept.stride()[:2],
        INTO_TOP=into_top,
        VALID=valid is not None,
        OTHER_VALID=other_valid is not None,
        **of_products(values.dtype),
        BLOCK=block,
        OTHERS=32,
        LANES=lanes,
        num_warps=4,
        num_stages=2,
    )
    return out


def _block(rows: int, count: int) -> int:
    return 64 if rows * triton.cdiv(count, 64) >= FEW else 32


@triton.jit
def mix_kernel(
    values,
    own,
    out,
    scores,
    other_scores,
    temperature,
    valid,
    other_valid,
    count,
    others,
    width,
    slots,
    values_by_row,
    values_by_slot,
    own_by_row,
    own_by_slot,
    INTO_TOP: tl.constexpr,
    VALID: tl.constexpr,
    OTHER_VALID: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    BLOCK: tl.constexpr,
    OTHERS: tl.constexpr,
    LANES: tl.constexpr,
):
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
    left,
    right,
    top,
    scores,
    other_scores,
    temperature,
    valid,
    other_valid,
    found,
    own,
    stretched,
    lost,
    count,
    others,
    width,
    slots,
    left_by_row,
    left_by_slot,
    right_by_row,
    right_by_slot,
    top_by_row,
    top_by_slot,
    OF_TOP: tl.constexpr,
    VALID: tl.constexpr,
    OTHER_VALID: tl.constexpr,
    WHOLE: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    BLOCK: tl.constexpr,
    OTHERS: tl.constexpr,
    LANES: tl.constexpr,
):
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
