"""Hash codes by Hadamard rounds: a kernel that keeps the projections in registers.

Floor: a vector of width e is read and its m codes are written, ``e·size + 4·m`` bytes with ``size`` bytes a number,
and ``3·m·t·log₂ e`` additions are made. The plain twin multiplies with the planes, ``2·m·t·e`` operations, and writes
and reads the ``m·t`` projections in float32.
"""

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from sampleformer.functional.bernoulli import hadamard_planes, sign_codes
from sampleformer.functional.bernoulli.checks import check_signs
from sampleformer.kernels.availability import check_kernel, unavailable, use_triton

MOST_HASHES = 256


def hadamard_codes(
    query: Float[Tensor, "*rows n e"],
    key: Float[Tensor, "*rows k e"],
    signs: Float[Tensor, "blocks 3 size"],
    hashes: int,
    code_length: int,
    kernel: str = "auto",
) -> tuple[Int32[Tensor, "*rows m n"], Int32[Tensor, "*rows m k"]]:
    """The codes of queries and keys on the planes of three Hadamard rounds, `sign_codes` with `hadamard_planes`.

    The kernel makes no planes: each block of signs gives ``H D₃ H D₂ H D₁ x`` in registers, in O(m·t·log e) a vector.
    Its sums run in another order, so that a projection that is zero up to rounding may get another sign than the plain
    function gives it; where nothing is rounded (small integers, sizes 4, 16 and 64) all codes are the same.

    Args:
        query: to be hashed; lengths do not matter.
        key: to be hashed.
        signs: from `hadamard_signs`.
        hashes: m.
        code_length: t, signs in a code, 1 to 16.
        kernel: ``"auto"``, ``"plain"`` or ``"triton"``.

    Raises:
        ValueError: if a size is out of its range, the signs are too few for it, or the kernel is unknown or cannot run.

    Source: YOSO (arXiv 2111.09714), section 3; Andoni et al. 2015 (arXiv 1509.02897), section 3.

    Example:
        >>> from sampleformer.functional.bernoulli import hadamard_signs
        >>> query, key = torch.randn(2, 1, 7, 8)
        >>> [codes.shape for codes in hadamard_codes(query, key, hadamard_signs(4, 8, 3), 4, 3)]
        [torch.Size([1, 4, 7]), torch.Size([1, 4, 7])]
    """
    check_kernel(kernel)
    width = query.shape[-1]
    if not use_triton(kernel, unavailable(query, key, signs, widths=(width,)) or _too_many(hashes)):
        planes = hadamard_planes(signs, hashes, width, code_length)
        return sign_codes(query, planes), sign_codes(key, planes)
    from sampleformer.kernels.bernoulli import codes_operators  # noqa: F401 (defines the operator)

    check_signs(signs, hashes, width, code_length)
    operator = torch.ops.sampleformer.hadamard_codes_triton
    query_codes = operator(query.detach(), signs.detach(), hashes, code_length)
    return query_codes, operator(key.detach(), signs.detach(), hashes, code_length)


def _too_many(hashes: int) -> str | None:
    return f"hashes is {hashes}, expected at most {MOST_HASHES}" if hashes > MOST_HASHES else None
