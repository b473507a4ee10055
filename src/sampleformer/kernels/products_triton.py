"""Products of matrices, for the kernels of several modules."""

import triton
import triton.language as tl


@triton.jit
def product(left, right, total, PRECISION: tl.constexpr, WIDEN: tl.constexpr):
    """``total + left @ right``, added up in float32. Triton's interpreter cannot multiply bfloat16: there WIDEN."""
    if WIDEN:
        left, right = left.to(tl.float32), right.to(tl.float32)
    return tl.dot(left, right, total, input_precision=PRECISION)
