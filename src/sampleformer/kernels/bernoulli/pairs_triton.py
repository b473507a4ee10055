"""The kernel of the gradients of queries and keys: pairs of one bucket, block by block."""

import triton
import triton.language as tl


@triton.jit
def _with_matrix(
    total,
    own_left,
    own_token,
    is_read,
    matrix,
    width,
    value_width,
    WIDTH: tl.constexpr,
    PART: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """``total_i + own_left_i matrix`` where it is read, part by part of the matrix's rows."""
    column = tl.arange(0, WIDTH)
    for first in range(0, value_width, PART):
        value_column = first + tl.arange(0, PART)
        is_column = value_column < value_width
        there = is_read[:, None] & is_column[None, :]
        own = tl.load(own_left + own_token[:, None] * value_width + value_column[None, :], mask=there, other=0.0)
        there = is_column[:, None] & (column < width)[None, :]
        rows = tl.load(matrix + value_column[:, None] * width + column[None, :], mask=there, other=0.0)
        total = tl.dot(own.to(tl.float32), rows, total, input_precision=PRECISION)
    return total


@triton.jit(do_not_specialize=["hash_"])
def pairs_kernel(
    own_left,
    other_left,
    other_right,
    own_numbers,
    own_order,
    other_numbers,
    other_order,
    other_starts,
    first_slots,
    matrices,
    result,
    own_length,
    other_length,
    width,
    value_width,
    hashes,
    hash_,
    buckets,
    slots,
    blocks,
    rows,
    OWN: tl.constexpr,
    OTHER: tl.constexpr,
    WIDTH: tl.constexpr,
    VALUE_WIDTH: tl.constexpr,
    WIDEN: tl.constexpr,
    PRECISION: tl.constexpr,
    PART: tl.constexpr,
    HAS_LARGE: tl.constexpr,
    ADDS: tl.constexpr,
):
    """``result_i = Σ_j [code_i = code_j] (own_left_i · other_left_j) other_right_j`` of OWN tokens of one hash.

    Both sides come in the order of their codes: a block of own tokens meets those others whose codes lie between its
    first and its last one. The blocks of several hashes run at once, from ``hash_`` on, and each own token is in one
    block of a hash. ``ADDS`` is ``"each"`` if the result has room for every hash, ``"one"`` if there is one hash, which
    is added to those before, or ``"atomics"``.
    A large bucket has more own tokens than a block, so that only the first and the last code of a block can be of one;
    its others are not met, but their matrix.
    """
    hash_ += tl.program_id(0) // (blocks * rows)
    program = tl.program_id(0) % (blocks * rows)
    row = (program // blocks).to(tl.int64)
    table = row * hashes + hash_
    first_number = table * (buckets + 1)
    own_place = program % blocks * OWN + tl.arange(0, OWN)
    is_own = own_place < own_length
    own_code = tl.load(own_numbers + table * own_length + own_place, mask=is_own, other=0) - first_number
    own_code = tl.where(is_own, own_code, buckets).to(tl.int32)
    own_token = tl.load(own_order + table * own_length + own_place, mask=is_own, other=0) - table * own_length
    in_bucket = own_code < buckets
    lowest = tl.min(own_code, axis=0)
    highest = tl.max(tl.where(in_bucket, own_code, -1), axis=0)
    # If no token is in a bucket, this is from the last bucket's end to the first one's start: nothing.
    low, high = lowest, highest + 1
    if HAS_LARGE:
        slot_of = first_slots + table * (buckets + 2)
        low_slot = tl.load(slot_of + lowest)
        high_slot = tl.load(slot_of + tl.maximum(highest, 0))
        low_is_large = tl.load(slot_of + lowest + 1) > low_slot
        high_is_large = (highest >= 0) & (tl.load(slot_of + tl.maximum(highest, 0) + 1) > high_slot)
        low += low_is_large.to(tl.int32)
        high -= high_is_large.to(tl.int32)
    start = tl.load(other_starts + first_number + low)
    end = tl.load(other_starts + first_number + high)

    column = tl.arange(0, WIDTH)
    value_column = tl.arange(0, VALUE_WIDTH)
    own_there = in_bucket[:, None] & (value_column < value_width)[None, :]
    own_at = (row * own_length + own_token)[:, None] * value_width + value_column[None, :]
    own = tl.load(own_left + own_at, mask=own_there, other=0.0)
    if WIDEN:
        own = own.to(tl.float32)
    total = tl.zeros((OWN, WIDTH), dtype=tl.float32)
    for at in range(start, end, OTHER):
        place = at + tl.arange(0, OTHER)
        is_other = place < end
        code = tl.load(other_numbers + place, mask=is_other, other=0) - first_number
        code = tl.where(is_other, code, -1).to(tl.int32)
        token = tl.load(other_order + place, mask=is_other, other=0) - table * other_length
        token = row * other_length + token
        left_there = is_other[:, None] & (value_column < value_width)[None, :]
        left_at = token[:, None] * value_width + value_column[None, :]
        left = tl.load(other_left + left_at, mask=left_there, other=0.0)
        if WIDEN:
            left = left.to(tl.float32)
        weight = tl.dot(own, tl.trans(left), input_precision=PRECISION)
        weight = tl.where(own_code[:, None] == code[None, :], weight, 0.0)
        right_there = is_other[:, None] & (column < width)[None, :]
        right = tl.load(other_right + token[:, None] * width + column[None, :], mask=right_there, other=0.0)
        # Weights keep float32's range: products of gradients may lie outside float16's.
        total = tl.dot(weight, right.to(tl.float32), total, input_precision=PRECISION)
    if HAS_LARGE:
        token = row * own_length + own_token
        size = value_width * width
        if low_is_large:
            matrix = matrices + (table * slots + low_slot) * size
            is_read = own_code == lowest
            total = _with_matrix(total, own_left, token, is_read, matrix, width, value_width, WIDTH, PART, PRECISION)
        if high_is_large & (highest != lowest):
            matrix = matrices + (table * slots + high_slot) * size
            is_read = own_code == highest
            total = _with_matrix(total, own_left, token, is_read, matrix, width, value_width, WIDTH, PART, PRECISION)
    place = (row * own_length + own_token)[:, None] * width + column[None, :]
    is_there = in_bucket[:, None] & (column < width)[None, :]
    if ADDS == "atomics":
        tl.atomic_add(result + place, total, mask=is_there, sem="relaxed")
    elif ADDS == "one":
        tl.store(result + place, total + tl.load(result + place, mask=is_there, other=0.0), mask=is_there)
    else:
        result += (tl.program_id(0) // (blocks * rows)).to(tl.int64) * rows * own_length * width
        tl.store(result + place, total, mask=is_own[:, None] & (column < width)[None, :])
