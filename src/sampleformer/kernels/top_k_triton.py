"""Choosing k of n in Triton: keys, radix selection over their digits, compaction in order, ranks by counting.

A key is the score's bits as an integer that is in the score's order, so that selecting is counting digits, of 8 bits: a
program's own histogram costs it one vote for each bit and number, and one sum for each value of a digit. Counts of a
digit are added up over the blocks of a row atomically, which is deterministic: they are integers.
"""

import triton
import triton.language as tl

LEAST = tl.constexpr(-(2**31))
"""The key of what is masked: below that of minus infinity."""
MOST = tl.constexpr(2**31 - 1)
"""The key of NaN: torch has it above all others."""
BINS = tl.constexpr(256)
"""Values of a digit."""


@triton.jit
def key_kernel(
    scores, noise, mask, keys, counts, groups, length, scores_by_sample, scores_by_group, scores_by_token,
    noise_by_sample, noise_by_group, noise_by_token, mask_by_sample, mask_by_group, mask_by_token,
    NOISE: tl.constexpr, MASK: tl.constexpr, COUNT: tl.constexpr, SHIFT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
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
    keys, counts, next_counts, state, next_state, length, wanted,
    FIRST: tl.constexpr, SHIFT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
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
    keys, state, tallies, best, places, length, blocks, wanted, BLOCKS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
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
    keys, places, indices, valid, length, wanted,
    GATHERED: tl.constexpr, BLOCK: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
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
