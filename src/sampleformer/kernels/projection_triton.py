"""Projecting what was chosen in Triton: forward by slots, backward by blocks of tokens and of the weight."""

import triton
import triton.language as tl

from sampleformer.kernels.products_triton import product


@triton.jit
def project_kernel(
    features, indices, weight, bias, out, groups, length, slots, width, carried, epsilon,
    BIAS: tl.constexpr, NORMALISE: tl.constexpr, PRECISION: tl.constexpr, WIDEN: tl.constexpr, BLOCK: tl.constexpr,
    COLUMNS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Some slots of a group and some of the numbers that they carry."""
    row = tl.program_id(0).to(tl.int64)
    sample, group = row // groups, row % groups
    slot = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    column = tl.program_id(2) * COLUMNS + tl.arange(0, COLUMNS)
    inside, carries = slot < slots, column < carried
    token = tl.load(indices + row * slots + slot, mask=inside, other=0)
    token_at = features + (sample * length + token[:, None]) * width
    weight_at = weight + (group * carried + column[None, :]) * width
    total = tl.zeros([BLOCK, COLUMNS], tl.float32)
    squares = tl.zeros([BLOCK], tl.float32)
    for start in range(0, width, LANES):
        lane = start + tl.arange(0, LANES)
        read = lane < width
        value = tl.load(token_at + lane[None, :], mask=inside[:, None] & read[None, :], other=0.0)
        factor = tl.load(weight_at + lane[:, None], mask=read[:, None] & carries[None, :], other=0.0)
        if NORMALISE:
            wide = value.to(tl.float32)
            squares += tl.sum(wide * wide, 1)
        total = product(value.to(factor.dtype), factor, total, PRECISION, WIDEN)
    if NORMALISE:
        total *= tl.rsqrt(squares / width + epsilon)[:, None]
    if BIAS:
        total += tl.load(bias + group * carried + column, mask=carries, other=0.0).to(tl.float32)[None, :]
    at = out + (row * slots + slot[:, None]) * carried + column[None, :]
    tl.store(at, total.to(out.dtype.element_ty), mask=inside[:, None] & carries[None, :])


@triton.jit
def feature_kernel(
    gradient, weight, chosen, order, first, result, groups, length, slots, width, carried, blocks,
    PRECISION: tl.constexpr, WIDEN: tl.constexpr, BLOCK: tl.constexpr, CHUNK: tl.constexpr, COLUMNS: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    """A block of tokens: group after group, what came from the slots that chose one of them."""
    sample = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    token = block * BLOCK + tl.arange(0, BLOCK)
    lane = tl.program_id(2) * LANES + tl.arange(0, LANES)
    total = tl.zeros([BLOCK, LANES], tl.float32)
    for group in range(groups):
        row = sample * groups + group
        begin = tl.load(first + row * (blocks + 1) + block)
        end = tl.load(first + row * (blocks + 1) + block + 1)
        for start in range(begin, end, CHUNK):
            place = start + tl.arange(0, CHUNK)
            inside = place < end
            slot = tl.load(order + row * slots + place, mask=inside, other=0)
            theirs = tl.load(chosen + row * slots + place, mask=inside, other=-1)
            found = tl.zeros([CHUNK, LANES], tl.float32)
            for begin_column in range(0, carried, COLUMNS):
                column = begin_column + tl.arange(0, COLUMNS)
                carries = column < carried
                at = gradient + (row * slots + slot[:, None]) * carried + column[None, :]
                upstream = tl.load(at, mask=inside[:, None] & carries[None, :], other=0.0)
                at = weight + (group * carried + column[:, None]).to(tl.int64) * width + lane[None, :]
                factor = tl.load(at, mask=carries[:, None] & (lane < width)[None, :], other=0.0)
                found = product(upstream, factor, found, PRECISION, WIDEN)
            # Each to the token that it belongs to, which may have come up twice.
            belongs = (token[:, None] == theirs[None, :]).to(tl.float32)
            total = product(belongs, found, total, PRECISION, WIDEN)
    at = result + (sample * length + token[:, None]) * width + lane[None, :]
    tl.store(at, total.to(result.dtype.element_ty), mask=(token < length)[:, None] & (lane < width)[None, :])


@triton.jit
def norm_kernel(gradient, features, inverse, result, width, LANES: tl.constexpr):
    """``r (g - x r² <g, x> / d)`` of a token: the gradient of ``r x`` with ``r = 1 / sqrt(mean(x²) + epsilon)``."""
    row = tl.program_id(0).to(tl.int64)
    lane = tl.arange(0, LANES)
    inside = lane < width
    value = tl.load(features + row * width + lane, mask=inside, other=0.0).to(tl.float32)
    upstream = tl.load(gradient + row * width + lane, mask=inside, other=0.0)
    factor = tl.load(inverse + row)
    shared = tl.sum(upstream * value, 0) * factor * factor / width
    found = factor * (upstream - value * shared)
    tl.store(result + row * width + lane, found.to(result.dtype.element_ty), mask=inside)


@triton.jit
def weight_kernel(
    gradient, features, indices, inverse, result, groups, length, slots, width, carried, count, part,
    NORMALISE: tl.constexpr, PRECISION: tl.constexpr, WIDEN: tl.constexpr, BLOCK: tl.constexpr, COLUMNS: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    """A block of a group's weight, summed over one part of the slots of all samples."""
    group = tl.program_id(0) % groups
    begin = tl.program_id(0) // groups * part
    end = tl.minimum(begin + part, count)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    lane = tl.program_id(2) * LANES + tl.arange(0, LANES)
    total = tl.zeros([COLUMNS, LANES], tl.float32)
    for start in range(begin, end, BLOCK):
        place = start + tl.arange(0, BLOCK)
        inside = place < end
        sample = (place // slots).to(tl.int64)
        slot = (sample * groups + group) * slots + place % slots
        token = sample * length + tl.load(indices + slot, mask=inside, other=0)
        read = inside[:, None] & (lane < width)[None, :]
        value = tl.load(features + token[:, None] * width + lane[None, :], mask=read, other=0.0)
        if NORMALISE:
            value = value.to(tl.float32) * tl.load(inverse + token, mask=inside, other=0.0)[:, None]
        at = gradient + slot[None, :] * carried + column[:, None]
        upstream = tl.load(at, mask=inside[None, :] & (column < carried)[:, None], other=0.0)
        total = product(upstream, value.to(upstream.dtype), total, PRECISION, WIDEN)
    at = result + (tl.program_id(0).to(tl.int64) * carried + column[:, None]) * width + lane[None, :]
    tl.store(at, total, mask=(column < carried)[:, None] & (lane < width)[None, :])
