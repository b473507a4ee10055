"""Attention by probabilities of collision, and its gradients, streaming over blocks of keys or of queries.

Floor: ``n·k·(2·(e + c) + 30)`` operations for the value and, for the three gradients, five such products of which the
cosines are made three times over; inputs and results are read and written once a block of 64, from the cache.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sampleformer.functional import bernoulli as plain
from sampleformer.functional.bernoulli.checks import check_code_length
from sampleformer.kernels.availability import check_kernel, unavailable, use_triton
from sampleformer.kernels.bernoulli.operands import without_invalid


def expected_attention(
    query: Float[Tensor, "b h n e"],
    key: Float[Tensor, "b h k e"],
    value: Float[Tensor, "b h k c"],
    code_length: int,
    valid: Bool[Tensor, "b #h k"] | None = None,
    query_valid: Bool[Tensor, "b #h n"] | None = None,
    kernel: str = "auto",
) -> Float[Tensor, "b h n c"]:
    """`functional.bernoulli.expected_attention`, without a block of weights in memory: ``out_i = Σ_j c_ij v_j``.

    Args:
        query, key, value, code_length, valid, query_valid: as there.
        kernel: ``"auto"``, ``"plain"`` or ``"triton"``.

    Raises:
        ValueError: as there, and if the kernel is unknown or cannot run.

    Source: YOSO-E (arXiv 2111.09714), section 3.

    Example:
        >>> query = plain.unit_length(torch.randn(1, 1, 3, 8))
        >>> expected_attention(query, query, torch.ones(1, 1, 3, 8), 8).shape
        torch.Size([1, 1, 3, 8])
    """
    check_kernel(kernel)
    check_code_length(code_length)
    reason = unavailable(query, key, value, widths=(query.shape[-1], value.shape[-1]))
    if not use_triton(kernel, reason):
        return plain.expected_attention(query, key, value, code_length, valid, query_valid)
    from sampleformer.kernels.bernoulli import expected_operators  # noqa: F401 (defines the operator)

    key, value = without_invalid(valid, key, value)
    (query,) = without_invalid(query_valid, query)
    result = torch.ops.sampleformer.expected_attention_triton(query, key, value, code_length)
    return without_invalid(query_valid, result)[0]
