"""What the blocks of these kernels multiply: sizes, precision, and zeros for what does not count."""

import torch
from torch import Tensor


def blocks(*tensors: Tensor) -> dict[str, int]:
    """Tokens of a block on each side, so that it stays in registers and in 99 KiB of shared memory.

    Args:
        tensors: that it is read from, ``(…, width)``.
    """
    if not _is_wide(*tensors):
        return {"OWN": 64, "OTHER": 32, "num_stages": 2}
    is_narrow = max(tensor.shape[-1] for tensor in tensors) <= 64
    return {"OWN": 32, "OTHER": 32 if is_narrow else 16, "num_stages": 2}


def precision(*tensors: Tensor) -> str:
    """Of products of float32 operands that come from these tensors.

    tf32 holds bfloat16 and float16 exactly. float32 is split into three of it, which keeps its precision, unless torch
    may round it in its own products too.
    """
    if torch.version.hip:
        return "ieee"
    return "tf32x3" if _is_wide(*tensors) and not torch.backends.cuda.matmul.allow_tf32 else "tf32"


def block_width(width: int) -> int:
    """The side of a block that has so many columns: a power of two, 16 at least."""
    return max(16, 1 << (width - 1).bit_length())


def without_invalid(valid: Tensor | None, *tensors: Tensor) -> list[Tensor]:
    """Tensors ``(b, h, n, width)`` with zeros where ``valid`` of ``(b, #h, n)`` is False; None: as they are."""
    return [tensor if valid is None else tensor.masked_fill(~valid[..., None], 0) for tensor in tensors]


def _is_wide(*tensors: Tensor) -> bool:
    return any(tensor.dtype == torch.float32 for tensor in tensors)
