"""How precisely Triton's kernels multiply matrices."""

from typing import Any

import torch

from sampleformer.kernels.availability import interpreting


def of_products(dtype: torch.dtype) -> dict[str, Any]:
    """What `products_triton.product` is told: half precision is multiplied as it is, and added up in float32.

    A float32 is split into three TF32 numbers, which keeps its precision, or rounded to one where torch's own products
    are allowed to do so.

    Example:
        >>> of_products(torch.float16)["PRECISION"]
        'tf32'
    """
    exact = "ieee" if torch.version.hip else "tf32x3"
    wanted = exact if dtype == torch.float32 and torch.get_float32_matmul_precision() == "highest" else "tf32"
    return {"PRECISION": wanted, "WIDEN": interpreting()}
