"""What the functions of this package have in common: sizes that are allowed, and the precision of their sums."""

import torch
from torch import Tensor

LONGEST_CODE = 16


def check_code_length(code_length: int) -> None:
    """A table has 2 to the power of the code length rows, and codes are int32.

    Raises:
        ValueError: if the code length is not between 1 and 16.
    """
    if not 1 <= code_length <= LONGEST_CODE:
        raise ValueError(f"code_length is {code_length}, expected 1 to {LONGEST_CODE}")


def check_hash_sizes(hashes: int, width: int, code_length: int) -> None:
    """Sizes of a set of hashes.

    Raises:
        ValueError: if the hashes or the width are less than 1 or the code length is not between 1 and 16.
    """
    for name, value in (("hashes", hashes), ("width", width)):
        if value < 1:
            raise ValueError(f"{name} is {value}, expected at least 1")
    check_code_length(code_length)


def check_signs(signs: Tensor, hashes: int, width: int, code_length: int) -> None:
    """Signs of Hadamard rounds, ``(blocks, 3, size)``, beside the sizes of what is hashed.

    Raises:
        ValueError: if a size is out of its range, or the signs are too few for it.
    """
    check_hash_sizes(hashes, width, code_length)
    blocks, _, size = signs.shape
    if width > size:
        raise ValueError(f"the signs are for vectors of width {size} at most, the vectors have {width}")
    if hashes * code_length > blocks * size:
        raise ValueError(f"the signs give {blocks * size} planes, expected at least {hashes * code_length}")


def wide_dtype(*tensors: Tensor) -> torch.dtype:
    """The dtype in which sums over these tensors run: the widest of theirs, float32 at least."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype
