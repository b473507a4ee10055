"""The kernels of `top_k`: keys, radix selection over their digits, compaction in order, ranks by counting.

A key is the score's bits as an integer that is in the score's order, so that selecting is counting digits, of 8 bits:
a program's own histogram costs it one vote for each bit and number, and one sum for each value of a digit. Counts of a digit are added up over the blocks of a row atomically, which is deterministic: they are integers.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 4096
"""Numbers of a row that one program reads."""
SHORT = 1024
"""Rows of up to so many numbers are ranked as they are: each number is compared with all others."""
SHIFTS = (24, 16, 8, 0)
"""Of the digits of a key, the highest first."""

LEAST = tl.constexpr(-(2**31))
"""The key of what is masked: below that of minus infinity."""
MOST = tl.constexpr(2**31 - 1)
"""The key of NaN: torch has it above all others."""
BINS = tl.constexpr(256)
"""Values of a digit."""


def select(scores: Tensor, noise: Tensor | None, mask: Tensor | None, wanted: int) -> tuple[Tensor, Tensor]:
    """Indices of the best of each row of ``(b, g, n)``, best first, and whether each is valid."""
    batch, groups, length = scores.shape
    rows, blocks = batch * groups, triton.cdiv(length, BLOCK)
    short = length <= SHORT
    integers: dict[str, Any] = {"dtype": torch.int32, "device": scores.device}
    indices = torch.empty(batch, groups, wanted, dtype=torch.int64, device=scores.device)
    valid = torch.empty(batch, groups, wanted, dtype=torch.bool, device=scores.device)
    if not rows or not length:
        return indices, valid
    keys = torch.empty(rows, length, **integers)
    counts = torch.zeros(len(SHIFTS), 0 if short else rows, BINS.value, **integers)
    added, allowed = (scores if given is None else given for given in (noise, mask))
    key_kernel[(rows, blocks)](
        scores,
        added,
        allowed,
        keys,
        counts[0],
        groups,
        length,
        *scores.stride(),
        *added.stride(),
        *allowed.stride(),
        NOISE=noise is not None,
        MASK=mask is not None,
        COUNT=not short,
        SHIFT=SHIFTS[0],
        BLOCK=triton.next_power_of_2(length) if short else BLOCK,
        num_warps=4 if short else 8,
    )
    places = keys  # not read
    if not short:
        keys, places = _compacted(keys, counts, wanted)
    found = keys.shape[1]
    rank_kernel[(rows, triton.cdiv(found, 32))](
        keys, places, indices, valid, found, wanted, GATHERED=not short, BLOCK=32, OTHERS=128, num_warps=4
    )
    return indices, valid


def _compacted(keys: Tensor, counts: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """The keys of the best of each row and their indices, both ``(rows, wanted)``, in the order of the index."""
    rows, length = keys.shape
    blocks = triton.cdiv(length, BLOCK)
    states = keys.new_empty(len(SHIFTS), rows, 2)
    tallies = keys.new_empty(rows, blocks, 2)
    best, places = keys.new_empty(rows, wanted), keys.new_empty(rows, wanted)
    for stage in range(1, len(SHIFTS)):
        digit_kernel[(rows, blocks)](
            keys,
            counts[stage - 1],
            counts[stage],
            states[stage - 2],  # at stage 1 not read
            states[stage - 1],
            length,
            wanted,
            FIRST=stage == 1,
            SHIFT=SHIFTS[stage],
            BLOCK=BLOCK,
            num_warps=8,
        )
    tally_kernel[(rows, blocks)](
        keys, counts[-1], states[-2], states[-1], tallies, length, blocks, BLOCK=BLOCK, num_warps=8
    )
    compact_kernel[(rows, blocks)](
        keys,
        states[-1],
        tallies,
        best,
        places,
        length,
        blocks,
        wanted,
        BLOCKS=triton.next_power_of_2(blocks),
        BLOCK=BLOCK,
        num_warps=8,
    )
    return best, places


@triton.jit
def key_kernel(
    scores,
    noise,
    mask,
    keys,
    counts,
    groups,
    length,
    scores_by_sample,
    scores_by_group,
    scores_by_token,
    noise_by_sample,
    noise_by_group,
    noise_by_token,
    mask_by_sample,
    mask_by_group,
    mask_by_token,
    NOISE: tl.constexpr,
    MASK: tl.constexpr,
    COUNT: tl.constexpr,
    SHIFT: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Writes the keys of a block of a row, and counts their highest digit."""
    row = tl.program_id(0).to(tl.int64)
    sample, group = row // groups, row % groups
    token = tl.program_id(1).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = token < length
    at = scores + sample * scores_by_sample + group * scores_by_group + token * scores_by_token
    value = tl.load(at, mask=inside, other=0.0)
    if NOISE:
        at = noise + sample * noise_by_sample + group * noise_by_group + token * noise_by_token
        value += tl.load(at, mask=inside, other=0.0)
    value = tl.where(value == 0, 0.0, value)  # the two zeros are equal
    key = value.to(tl.int32, bitcast=True)
    key = tl.where(key < 0, key ^ MOST, key)
    key = tl.where(value != value, MOST, key)
    if MASK:
        at = mask + sample * mask_by_sample + group * mask_by_group + token * mask_by_token
        key = tl.where(tl.load(at, mask=inside, other=0).to(tl.int1), key, LEAST)
    tl.store(keys + row * length + token, key, mask=inside)
    if COUNT:
        _count(counts + row * BINS, (key >> SHIFT) + BINS // 2, inside, BLOCK)  # the highest has the sign


@triton.jit
def digit_kernel(
    keys,
    counts,
    next_counts,
    state,
    next_state,
    length,
    wanted,
    FIRST: tl.constexpr,
    SHIFT: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Finds one more digit of the row's last chosen key; counts the digit after it where all before are the same."""
    row = tl.program_id(0).to(tl.int64)
    if FIRST:
        digit, missing = _digit(counts + row * BINS, wanted)
        prefix = digit - BINS // 2
    else:
        digit, missing = _digit(counts + row * BINS, tl.load(state + 2 * row + 1))
        prefix = tl.load(state + 2 * row) * BINS + digit
    if tl.program_id(1) == 0:
        tl.store(next_state + 2 * row, prefix)
        tl.store(next_state + 2 * row + 1, missing)
    token = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = token < length
    shifted = tl.load(keys + row * length + token, mask=inside, other=0) >> SHIFT
    next_digit = shifted & (BINS - 1)
    same = inside & (shifted - next_digit == prefix * BINS)
    _count(next_counts + row * BINS, next_digit, same, BLOCK)


@triton.jit
def tally_kernel(keys, counts, state, next_state, tallies, length, blocks, BLOCK: tl.constexpr):
    """Finds the last digit; counts the keys of a block that are above the row's last chosen key, and equal to it."""
    row = tl.program_id(0).to(tl.int64)
    digit, missing = _digit(counts + row * BINS, tl.load(state + 2 * row + 1))
    last = tl.load(state + 2 * row) * BINS + digit
    if tl.program_id(1) == 0:
        tl.store(next_state + 2 * row, last)
        tl.store(next_state + 2 * row + 1, missing)
    token = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = token < length
    key = tl.load(keys + row * length + token, mask=inside, other=0)
    tally = tallies + (row * blocks + tl.program_id(1)) * 2
    tl.store(tally, tl.sum((inside & (key > last)).to(tl.int32), 0))
    tl.store(tally + 1, tl.sum((inside & (key == last)).to(tl.int32), 0))


@triton.jit
def compact_kernel(
    keys, state, tallies, best, places, length, blocks, wanted, BLOCKS: tl.constexpr, BLOCK: tl.constexpr
):
    """Writes the chosen keys of a block behind those of the blocks before it, in the order of their index."""
    row = tl.program_id(0).to(tl.int64)
    last, missing = tl.load(state + 2 * row), tl.load(state + 2 * row + 1)
    block = tl.arange(0, BLOCKS)
    before = block < tl.program_id(1)
    tally = tallies + (row * blocks + block) * 2
    above_before = tl.sum(tl.load(tally, mask=before, other=0), 0)
    equal_before = tl.sum(tl.load(tally + 1, mask=before, other=0), 0)
    token = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = token < length
    key = tl.load(keys + row * length + token, mask=inside, other=0)
    above, equal = inside & (key > last), inside & (key == last)
    # How many there are of each up to and with this one.
    of_above = above_before + tl.cumsum(above.to(tl.int32), 0)
    of_equal = equal_before + tl.cumsum(equal.to(tl.int32), 0)
    chosen = above | (equal & (of_equal <= missing))
    slot = of_above + tl.minimum(of_equal, missing) - 1
    tl.store(best + row * wanted + slot, key, mask=chosen)
    tl.store(places + row * wanted + slot, token, mask=chosen)


@triton.jit
def rank_kernel(
    keys,
    places,
    indices,
    valid,
    length,
    wanted,
    GATHERED: tl.constexpr,
    BLOCK: tl.constexpr,
    OTHERS: tl.constexpr,
):
    """Writes each key's index where its rank says: how many of the row are larger, or equal and before it."""
    row = tl.program_id(0).to(tl.int64)
    own = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = own < length
    key = tl.load(keys + row * length + own, mask=inside, other=LEAST)
    rank = tl.zeros([BLOCK], tl.int32)
    for start in range(0, length, OTHERS):
        other = start + tl.arange(0, OTHERS)
        rival = tl.load(keys + row * length + other, mask=other < length, other=LEAST)
        larger = rival[None, :] > key[:, None]
        before = (rival[None, :] == key[:, None]) & (other[None, :] < own[:, None])
        rank += tl.sum((larger | before).to(tl.int32), 1)
    chosen = inside & (rank < wanted)
    index = own
    if GATHERED:
        index = tl.load(places + row * length + own, mask=inside, other=0)
    tl.store(indices + row * wanted + rank, index.to(tl.int64), mask=chosen)
    tl.store(valid + row * wanted + rank, key > LEAST, mask=chosen)


@triton.jit
def _count(counts, digit, counted, BLOCK: tl.constexpr):
    """Adds how often each digit comes up; what is not counted falls into the first bin, and is taken out again."""
    bins = tl.arange(0, BINS)
    histogram = tl.histogram(tl.where(counted, digit, 0), BINS)
    histogram -= tl.where(bins == 0, BLOCK - tl.sum(counted.to(tl.int32), 0), 0)
    tl.atomic_add(counts + bins, histogram, mask=histogram > 0, sem="relaxed")


@triton.jit
def _digit(counts, wanted):
    """The digit of the last of the keys wanted, the largest first, and how many are wanted of those that have it."""
    bins = tl.arange(0, BINS)
    count = tl.load(counts + bins)
    with_larger = tl.sum(count, 0) - tl.cumsum(count, 0) + count
    larger = with_larger - count
    here = (larger < wanted) & (wanted <= with_larger)
    return tl.sum(tl.where(here, bins, 0), 0), wanted - tl.sum(tl.where(here, larger, 0), 0)
