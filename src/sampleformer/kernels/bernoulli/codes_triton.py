"""The kernel of hash codes by Hadamard rounds."""

import triton
import triton.language as tl


@triton.jit
def hadamard_codes_kernel(
    vectors,
    signs,
    codes,
    all_tokens,
    tokens_per_row,
    width,
    blocks,
    hashes,
    code_length,
    SIZE: tl.constexpr,
    LEVELS: tl.constexpr,
    TOKENS: tl.constexpr,
    HASHES: tl.constexpr,
):
    """Codes of TOKENS vectors ``(all tokens, width)``, to ``(rows, hashes, tokens per row)``."""
    token = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)
    is_token = token < all_tokens
    column = tl.arange(0, SIZE)
    hash_ = tl.arange(0, HASHES)
    is_there = is_token[:, None] & (column < width)[None, :]
    vector = tl.load(vectors + token[:, None] * width + column[None, :], mask=is_there, other=0.0).to(tl.float32)
    code = tl.zeros((TOKENS, HASHES), dtype=tl.float32)
    for block in range(blocks):
        projection = vector
        for round_ in tl.static_range(3):
            sign = tl.load(signs + (block * 3 + round_) * SIZE + column).to(tl.float32)
            if round_ == 1:
                sign = sign * (1.0 / SIZE)  # a power of two: exact, and nothing overflows on the way
            projection = projection * sign[None, :]
            # Each level adds and subtracts neighbours and puts the sums before the differences. After all of them the
            # outputs are in the order of Hadamard's matrix again.
            for _ in tl.static_range(LEVELS):
                even, odd = tl.split(tl.reshape(projection, (TOKENS, SIZE // 2, 2)))
                both = tl.join(even + odd, even - odd)
                projection = tl.reshape(tl.permute(both, (0, 2, 1)), (TOKENS, SIZE))
        # Output o is bit o % t of hash o // t. Sums of powers of two up to 2¹⁵ are exact in float16 and float32.
        output = block * SIZE + column
        power = (1 << (output % code_length)).to(tl.float16)
        weight = tl.where((output // code_length)[:, None] == hash_[None, :], power[:, None], 0.0).to(tl.float16)
        positive = tl.where(projection > 0, 1.0, 0.0).to(tl.float16)
        if SIZE >= 16:
            code = tl.dot(positive, weight, code)
        else:  # too small for a product of matrices
            code += tl.sum(positive.to(tl.float32)[:, :, None] * weight.to(tl.float32)[None, :, :], axis=1)
    row = token // tokens_per_row
    place = row[:, None] * (hashes * tokens_per_row) + hash_[None, :] * tokens_per_row
    place += (token - row * tokens_per_row)[:, None]
    tl.store(codes + place, code.to(tl.int32), mask=is_token[:, None] & (hash_ < hashes)[None, :])
