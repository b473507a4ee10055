"""The kernels of `projection`: forward by slots, backward by blocks of tokens and by blocks of the weight."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from sampleformer.kernels.precision import of_products
from sampleformer.kernels.products_triton import product

PROGRAMS = 256
"""So many keep a large GPU busy: where the weight has fewer blocks, its sums are cut into parts."""


def project(
    features: Tensor, indices: Tensor, weight: Tensor, bias: Tensor | None, epsilon: float | None
) -> Tensor:
    """``(b, g, m, c)`` in the dtype of the weight; everything is contiguous."""
    (batch, length, width), (_, groups, slots) = features.shape, indices.shape
    carried = weight.shape[1]
    out = weight.new_empty(batch, groups, slots, carried)
    block, columns = _side(slots), _side(carried)
    grid = (batch * groups, triton.cdiv(slots, block), triton.cdiv(carried, columns))
    project_kernel[grid](
        features,
        indices,
        weight,
        weight if bias is None else bias.contiguous(),
        out,
        groups,
        length,
        slots,
        width,
        carried,
        epsilon or 0.0,
        BIAS=bias is not None,
        NORMALISE=epsilon is not None,
        **of_products(weight.dtype),
        BLOCK=block,
        COLUMNS=columns,
        LANES=_lanes(width, weight.dtype),
        num_warps=4,
        num_stages=3,
    )
    return out


def gradient_of_features(
    gradient: Tensor, features: Tensor, indices: Tensor, weight: Tensor, inverse: Tensor | None
) -> Tensor:
    """``(b, n, d)``; `inverse` is what the norm multiplied each token by, ``(b, n)``, None without a norm."""
    (batch, length, width), (_, groups, slots) = features.shape, indices.shape
    # Blocks in which a group chose about as many tokens as are worked on at once.
    block = min(128, max(16, triton.next_power_of_2(16 * length // slots)))
    blocks = triton.cdiv(length, block)
    chosen, order = indices.sort(dim=-1, stable=True)
    edges = torch.arange(blocks + 1, device=indices.device) * block
    first = torch.searchsorted(chosen, edges.expand(batch, groups, -1).contiguous(), out_int32=True)
    lanes = _side(width)
    result = torch.empty_like(features, dtype=features.dtype if inverse is None else torch.float32)
    feature_kernel[(batch, blocks, triton.cdiv(width, lanes))](
        gradient,
        weight,
        chosen,
        order,
        first,
        result,
        groups,
        length,
        slots,
        width,
        weight.shape[1],
        blocks,
        **of_products(weight.dtype),
        BLOCK=block,
        CHUNK=16,
        COLUMNS=_lanes(weight.shape[1], weight.dtype),
        LANES=lanes,
        num_warps=4,
        num_stages=2,
    )
    if inverse is None:
        return result
    normal = torch.empty_like(features)
    lanes = triton.next_power_of_2(width)
    norm_kernel[(batch * length,)](
        result, features, inverse, normal, width, LANES=lanes, num_warps=min(8, max(1, lanes // 256))
    )
    return normal


def gradient_of_weight(gradient: Tensor, features: Tensor, indices: Tensor, inverse: Tensor | None) -> Tensor:
    """``(g, c, d)``, float32."""
    (_, length, width), (batch, groups, slots) = features.shape, indices.shape
    carried = gradient.shape[-1]
    columns, lanes = _side(carried), _side(width)
    blocks = groups * triton.cdiv(carried, columns) * triton.cdiv(width, lanes)
    parts = max(1, min(PROGRAMS // blocks, triton.cdiv(batch * slots, 256)))
    part = triton.cdiv(triton.cdiv(batch * slots, parts), 32) * 32
    result = torch.empty(parts, groups, carried, width, dtype=torch.float32, device=features.device)
    weight_kernel[(groups * parts, triton.cdiv(carried, columns), triton.cdiv(width, lanes))](
        gradient,
        features,
        indices,
        features if inverse is None else inverse,
        result,
        groups,
        length,
        slots,
        width,
        carried,
        batch * slots,
        part,
        NORMALISE=inverse is not None,
        **of_products(gradient.dtype),
        BLOCK=32,
        COLUMNS=columns,
        LANES=lanes,
        num_warps=4,
        num_stages=3,
    )
    return result.sum(0)


def _side(count: int) -> int:
    return min(64, max(16, triton.next_power_of_2(count)))


def _lanes(width: int, dtype: torch.dtype) -> int:
    return min(32 if dtype == torch.float32 else 64, max(16, triton.next_power_of_2(width)))


@triton.jit
def project_kernel(
    features,
    indices,
    weight,
    bias,
    out,
    groups,
    length,
    slots,
    width,
    carried,
    epsilon,
    BIAS: tl.constexpr,
    NORMALISE: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    BLOCK: tl.constexpr,
    COLUMNS: tl.constexpr,
    LANES: tl.constexpr,
):
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
    gradient,
    weight,
    chosen,
    order,
    first,
    result,
    groups,
    length,
    slots,
    width,
    carried,
    blocks,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    BLOCK: tl.constexpr,
    CHUNK: tl.constexpr,
    COLUMNS: tl.constexpr,
    LANES: tl.constexpr,
):
    """A block of tokens: group after group, what came from the slots that chose one of them."""
    sample = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    token = block * BLOCK + tl.arange(0, BLOCK)
    lane = tl.program_id(2) * LANES + tl.arange(0, LANES)
    total = tl.zeros([BLOCK, LANES], tl.float32)
    for group in range(0, groups):
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
    gradient,
    features,
    indices,
    inverse,
    result,
    groups,
    length,
    slots,
    width,
    carried,
    count,
    part,
    NORMALISE: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    BLOCK: tl.constexpr,
    COLUMNS: tl.constexpr,
    LANES: tl.constexpr,
):
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
