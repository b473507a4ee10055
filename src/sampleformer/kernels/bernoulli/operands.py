"""What the blocks of these kernels multiply: dtypes, precision, widths, and zeros for what does not count."""

from typing import Any

import torch
from torch import Tensor

from sampleformer.kernels.availability import interpreting


def operand(dtype: torch.dtype) -> Any:
    """Triton's dtype for the operands of a product: that of the tensors, but float32 in the interpreter.

    NumPy has no bfloat16, and the interpreter multiplies its bits as integers.
    """
    import triton.language as tl

    if interpreting() or dtype == torch.float32:
        return tl.float32
    return tl.bfloat16 if dtype == torch.bfloat16 else tl.float16


def precision(*tensors: Tensor) -> str:
    """Of products of float32 operands that come from these tensors.

    tf32 holds bfloat16 and float16 exactly; float32 is rounded to it only where torch's own products are.
    """
    is_wide = any(tensor.dtype == torch.float32 for tensor in tensors)
    return "ieee" if is_wide and not torch.backends.cuda.matmul.allow_tf32 else "tf32"


def block_width(width: int) -> int:
    """The side of a block that has so many columns: a power of two, 16 at least."""
    return max(16, 1 << (width - 1).bit_length())


def without_invalid(valid: Tensor | None, *tensors: Tensor) -> list[Tensor]:
    """Tensors ``(b, h, n, width)`` with zeros where ``valid`` of ``(b, #h, n)`` is False; None: as they are."""
    return [tensor if valid is None else tensor.masked_fill(~valid[..., None], 0) for tensor in tensors]
