"""Vectors of unit length, and the codes of their sign hashes."""

from typing import Any

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from sampleformer.functional.bernoulli.checks import check_code_length, check_hash_sizes, wide_dtype
from sampleformer.tracing import differentiates_again, without_autocast

# Projections that are made at once on a CPU, so that they stay in the cache (1 MiB).
NUMBERS_PER_BLOCK = 2**18


def unit_length(vectors: Float[Tensor, "*rows e"]) -> Float[Tensor, "*rows e"]:
    """``x / ‖x‖₂`` over the last dimension; a row of zeros stays zero and gets the gradient zero.

    No square overflows or vanishes on the way. A row shorter than the smallest normal number counts as zero. The
    gradient is the true one and grows as ``1 / ‖x‖``.

    Args:
        vectors: to be scaled.

    Returns:
        In the dtype of the vectors; half precision is computed in float32.

    Example:
        >>> unit_length(torch.tensor([[3e-30, 4e-30], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    wide = vectors.to(wide_dtype(vectors))
    result: Tensor = _UnitLength.apply(wide)[0]
    return result.to(vectors.dtype)


class _UnitLength(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(vectors: Tensor) -> tuple[Tensor, Tensor]:
        inverse = _inverse_length(vectors)
        return vectors * inverse, inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*inputs, *output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor | None) -> Tensor:
        vectors, unit, inverse = ctx.saved_tensors
        if differentiates_again():  # the inverse length by way of the length itself
            unit, _ = _UnitLength.apply(vectors)
            length = (unit * vectors).sum(-1, keepdim=True)
            inverse = (1 / length.masked_fill(inverse == 0, 1)).masked_fill(inverse == 0, 0)
        along = (gradient * unit).sum(-1, keepdim=True)
        return torch.addcmul(gradient, unit, along, value=-1) * inverse


def _inverse_length(vectors: Tensor) -> Tensor:
    """1 / ‖x‖₂ of each row, 0 of a row that counts as zero."""
    tiny = torch.finfo(vectors.dtype).tiny
    if vectors.dtype == torch.float32:  # squares of float32 neither overflow nor vanish in float64
        length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True, dtype=torch.float64)
        return torch.where(length < tiny, 0, 1 / length).to(torch.float32)
    largest = vectors.abs().amax(-1, keepdim=True)
    zero = largest < tiny
    largest = largest.masked_fill(zero, 1)
    length = torch.linalg.vector_norm(vectors / largest, dim=-1, keepdim=True).masked_fill(zero, 1)
    return (1 / largest / length).masked_fill(zero, 0)


def pack_signs(projections: Float[Tensor, "*rows t"]) -> Int32[Tensor, "*rows"]:
    """One number for the signs of a row: bit i is set where projection i is greater than zero.

    Args:
        projections: of t numbers each, 1 to 16.

    Raises:
        ValueError: if t is not between 1 and 16.

    Example:
        >>> pack_signs(torch.tensor([[0.5, -1.0, 2.0], [0.0, 1.0, -0.0]]))
        tensor([5, 2], dtype=torch.int32)
    """
    code_length = projections.shape[-1]
    check_code_length(code_length)
    bits = 2 ** torch.arange(code_length, device=projections.device, dtype=torch.int32)
    return torch.where(projections > 0, bits, 0).sum(-1, dtype=torch.int32)


def sign_codes(vectors: Float[Tensor, "*rows n e"], planes: Float[Tensor, "m e t"]) -> Int32[Tensor, "*rows m n"]:
    """The codes of m sign hashes: bit i says whether the vector lies on the positive side of plane i of the hash.

    ``code = Σ_i 2^i [x · plane_i > 0]``, from 0 to ``2^t - 1``; zero counts as the negative side, so that a vector of
    zeros has the code 0. There is no gradient. Projections run in float32 or wider, under autocast too.

    Args:
        vectors: to be hashed; their lengths do not matter.
        planes: from `gaussian_planes` or `hadamard_planes`.

    Raises:
        ValueError: if the planes are not for vectors of this width, there are none, or the codes are too long.

    Source: YOSO (arXiv 2111.09714), section 3.

    Example:
        >>> sign_codes(torch.tensor([[1.0, 2.0], [-1.0, 2.0]]), torch.eye(2)[None])
        tensor([[3, 2]], dtype=torch.int32)
    """
    hashes, width, code_length = planes.shape
    check_hash_sizes(hashes, width, code_length)
    if vectors.shape[-1] != width:
        raise ValueError(f"the planes are for vectors of width {width}, the vectors have {vectors.shape[-1]}")
    return torch.ops.sampleformer.sign_codes(vectors.detach(), planes.detach())


@torch.library.custom_op("sampleformer::sign_codes", mutates_args=())
def _sign_codes(vectors: Tensor, planes: Tensor) -> Tensor:
    # One operator, so that projections (m·t numbers a vector) are made block by block, compiled or not.
    dtype = wide_dtype(vectors, planes)
    hashes, width, code_length = planes.shape
    all_planes = planes.to(dtype).transpose(0, 1).reshape(width, hashes * code_length)
    # Sums of different powers of two up to 2¹⁵ are exact in float32, and a product of matrices adds fastest.
    bits = 2.0 ** torch.arange(code_length, device=planes.device, dtype=dtype)
    rows = vectors.reshape(-1, width)
    codes = rows.new_empty(rows.shape[0] * hashes, dtype=dtype)
    block = max(1, NUMBERS_PER_BLOCK // (hashes * code_length)) if rows.device.type == "cpu" else max(1, len(rows))
    # The same room each time: fresh memory costs as much as the work.
    room = rows.new_empty(min(block, len(rows)), hashes * code_length, dtype=dtype)
    with without_autocast(rows):
        for start in range(0, rows.shape[0], block):
            part = rows[start : start + block].to(dtype)
            signs = torch.mm(part, all_planes, out=room[: len(part)]).gt_(0)
            at = slice(start * hashes, (start + len(part)) * hashes)
            torch.mv(signs.view(-1, code_length), bits, out=codes[at])
    # A token's codes lie side by side, as they are read.
    return codes.to(torch.int32).view(*vectors.shape[:-1], hashes).transpose(-1, -2)


@_sign_codes.register_fake
def _(vectors: Tensor, planes: Tensor) -> Tensor:
    return vectors.new_empty((*vectors.shape[:-1], planes.shape[0]), dtype=torch.int32).transpose(-1, -2)


@_sign_codes.register_vmap
def _(info: Any, in_dims: tuple[int | None, ...], vectors: Tensor, planes: Tensor) -> tuple[Tensor, int]:
    of_vectors, of_planes = in_dims
    if of_planes is None:
        assert of_vectors is not None
        return sign_codes(vectors.movedim(of_vectors, 0), planes), 0
    many = [vectors] * info.batch_size if of_vectors is None else vectors.unbind(of_vectors)
    return torch.stack([sign_codes(*each) for each in zip(many, planes.unbind(of_planes), strict=True)]), 0
