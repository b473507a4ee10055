"""The kernels of large buckets: one matrix for all of a bucket's pairs."""

import triton
import triton.language as tl


@triton.jit
def build_kernel(
    left,
    right,
    order,
    starts,
    first_slots,
    bucket_of_slot,
    matrices,
    length,
    width,
    value_width,
    hashes,
    buckets,
    slots,
    OTHER: tl.constexpr,
    CHUNK: tl.constexpr,
    WIDTH: tl.constexpr,
    VALUE_WIDTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """``Σ_j left_j right_jᵀ`` over one chunk of a large bucket, to its slot: ``(value width, width)``."""
    place_of_slot = tl.program_id(0).to(tl.int64)
    table = place_of_slot // slots
    bucket = tl.load(bucket_of_slot + place_of_slot)
    if bucket < buckets:
        slot = (place_of_slot - table * slots).to(tl.int32)
        chunk = slot - tl.load(first_slots + table * (buckets + 2) + bucket)
        start = tl.load(starts + table * (buckets + 1) + bucket) + chunk * CHUNK
        end = tl.minimum(tl.load(starts + table * (buckets + 1) + bucket + 1), start + CHUNK)
        column = tl.arange(0, WIDTH)
        value_column = tl.arange(0, VALUE_WIDTH)
        total = tl.zeros((VALUE_WIDTH, WIDTH), dtype=tl.float32)
        for at in range(start, end, OTHER):
            place = at + tl.arange(0, OTHER)
            is_there = place < end
            token = tl.load(order + place, mask=is_there, other=0) - table * length
            token = table // hashes * length + token
            left_at = token[:, None] * value_width + value_column[None, :]
            left_there = is_there[:, None] & (value_column < value_width)[None, :]
            of_left = tl.load(left + left_at, mask=left_there, other=0.0).to(tl.float32)
            right_there = is_there[:, None] & (column < width)[None, :]
            of_right = tl.load(right + token[:, None] * width + column[None, :], mask=right_there, other=0.0)
            total = tl.dot(tl.trans(of_left), of_right.to(tl.float32), total, input_precision=PRECISION)
        at_matrix = matrices + place_of_slot * value_width * width
        there = (value_column < value_width)[:, None] & (column < width)[None, :]
        tl.store(at_matrix + value_column[:, None] * width + column[None, :], total, mask=there)


@triton.jit
def fold_kernel(first_slots, bucket_of_slot, matrices, size, buckets, slots, NUMBERS: tl.constexpr):
    """Adds the matrices of a bucket's other chunks to that of its first one, in their order."""
    place_of_slot = tl.program_id(0).to(tl.int64)
    table = place_of_slot // slots
    bucket = tl.load(bucket_of_slot + place_of_slot)
    if bucket < buckets:
        first = tl.load(first_slots + table * (buckets + 2) + bucket)
        last = tl.load(first_slots + table * (buckets + 2) + bucket + 1)
        if table * slots + first == place_of_slot:
            number = tl.program_id(1) * NUMBERS + tl.arange(0, NUMBERS)
            there = number < size
            total = tl.load(matrices + place_of_slot * size + number, mask=there, other=0.0)
            for slot in range(first + 1, last):
                total += tl.load(matrices + (table * slots + slot) * size + number, mask=there, other=0.0)
            tl.store(matrices + place_of_slot * size + number, total, mask=there)
