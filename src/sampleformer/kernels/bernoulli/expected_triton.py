"""The kernels of attention by probabilities of collision: all pairs, block by block."""

import triton
import triton.language as tl


@triton.jit
def _probability(cosine, CODE_LENGTH: tl.constexpr):
    """``(1 - arccos(cosine) / π)^t``; arccos by a polynomial, to 2e-8 (Abramowitz and Stegun 1964, 4.4.46)."""
    size = tl.minimum(tl.abs(cosine), 1.0)
    series = -0.0012624911
    series = series * size + 0.0066700901
    series = series * size - 0.0170881256
    series = series * size + 0.0308918810
    series = series * size - 0.0501743046
    series = series * size + 0.0889789874
    series = series * size - 0.2145988016
    series = series * size + 1.5707963050
    share = tl.sqrt(1.0 - size) * series * 0.3183098861837907
    base = tl.where(cosine < 0, share, 1.0 - share)
    power = base
    for _ in tl.static_range(CODE_LENGTH - 1):
        power = power * base
    return power


@triton.jit
def expected_kernel(
    own_unit,
    own_left,
    other_unit,
    other_left,
    other_right,
    result,
    own_length,
    other_length,
    width,
    left_width,
    right_width,
    blocks,
    scale,
    OWN: tl.constexpr,
    OTHER: tl.constexpr,
    WIDTH: tl.constexpr,
    LEFT_WIDTH: tl.constexpr,
    RIGHT_WIDTH: tl.constexpr,
    CODE_LENGTH: tl.constexpr,
    WIDEN: tl.constexpr,
    PRECISION: tl.constexpr,
    IS_WEIGHTED: tl.constexpr,
):
    """``result_i = scale Σ_j c(own_unit_i · other_unit_j) (own_left_i · other_left_j) other_right_j``.

    Without ``IS_WEIGHTED`` the second product is 1. Others past the end are zeros, and add nothing.
    """
    row = (tl.program_id(0) // blocks).to(tl.int64)
    own_token = tl.program_id(0) % blocks * OWN + tl.arange(0, OWN)
    is_own = (own_token < own_length)[:, None]
    own_token = (row * own_length + own_token)[:, None]
    column = tl.arange(0, WIDTH)[None, :]
    left_column = tl.arange(0, LEFT_WIDTH)[None, :]
    right_column = tl.arange(0, RIGHT_WIDTH)[None, :]
    unit = tl.load(own_unit + own_token * width + column, mask=is_own & (column < width), other=0.0)
    if WIDEN:
        unit = unit.to(tl.float32)
    if IS_WEIGHTED:
        left_there = is_own & (left_column < left_width)
        left = tl.load(own_left + own_token * left_width + left_column, mask=left_there, other=0.0)
        if WIDEN:
            left = left.to(tl.float32)
    total = tl.zeros((OWN, RIGHT_WIDTH), dtype=tl.float32)
    for at in range(0, other_length, OTHER):
        token = at + tl.arange(0, OTHER)
        is_other = (token < other_length)[:, None]
        token = (row * other_length + token)[:, None]
        there = is_other & (column < width)
        others = tl.load(other_unit + token * width + column, mask=there, other=0.0)
        if WIDEN:
            others = others.to(tl.float32)
        weight = _probability(tl.dot(unit, tl.trans(others), input_precision=PRECISION), CODE_LENGTH)
        if IS_WEIGHTED:
            there = is_other & (left_column < left_width)
            others = tl.load(other_left + token * left_width + left_column, mask=there, other=0.0)
            if WIDEN:
                others = others.to(tl.float32)
            weight *= tl.dot(left, tl.trans(others), input_precision=PRECISION)
        there = is_other & (right_column < right_width)
        right = tl.load(other_right + token * right_width + right_column, mask=there, other=0.0).to(tl.float32)
        total = tl.dot(weight, right, total, input_precision=PRECISION)
    there = is_own & (right_column < right_width)
    tl.store(result + own_token * right_width + right_column, total * scale, mask=there)
