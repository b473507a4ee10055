"""The hyperplanes of sign hashes: Gaussian, or three Hadamard rounds, which have a fast form."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from sampleformer.functional.bernoulli.checks import check_hash_sizes, check_signs, wide_dtype


def gaussian_planes(
    hashes: int,
    width: int,
    code_length: int,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "m e t"]:
    """Normals of random hyperplanes, independent draws of the standard normal distribution.

    Two vectors at the angle θ lie on the same side of such a plane with probability ``1 - θ / π``.

    Args:
        hashes: m, how many hashes.
        width: e, of the vectors to be hashed.
        code_length: t, planes of one hash, 1 to 16.
        generator: source of randomness; None: torch's global one.
        device: of the result.
        dtype: of the result, float32 or wider.

    Raises:
        ValueError: if a size is out of its range.

    Source: YOSO (arXiv 2111.09714), section 3.

    Example:
        >>> gaussian_planes(2, 8, 3, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([2, 8, 3])
    """
    check_hash_sizes(hashes, width, code_length)
    return torch.randn(hashes, width, code_length, generator=generator, device=device, dtype=dtype)


def hadamard_signs(
    hashes: int,
    width: int,
    code_length: int,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "blocks 3 size"]:
    """The random part of `hadamard_planes`: ±1, independently and with equal probability.

    Args: as for `gaussian_planes`.

    Returns:
        The diagonals of three rounds in as many blocks of ``size`` planes as the hashes need; ``size`` is the smallest
        power of two that is not less than the width.

    Raises:
        ValueError: if a size is out of its range.

    Example:
        >>> hadamard_signs(4, 5, 3).shape
        torch.Size([2, 3, 8])
    """
    check_hash_sizes(hashes, width, code_length)
    size = 1 << (width - 1).bit_length()
    blocks = -(-hashes * code_length // size)
    return torch.randint(0, 2, (blocks, 3, size), generator=generator, device=device).mul(2).sub(1).to(dtype)


def hadamard_transform(vectors: Float[Tensor, "*rows size"]) -> Float[Tensor, "*rows size"]:
    """The orthonormal Walsh–Hadamard transform of the last dimension, its own inverse, in O(size log size).

    ``y_i = Σ_j (-1)^(number of ones in the binary i & j) x_j / √size``.

    Args:
        vectors: to be transformed; their width is a power of two.

    Raises:
        ValueError: if the width is no power of two.

    Example:
        >>> hadamard_transform(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    size = vectors.shape[-1]
    if size < 1 or size & (size - 1):
        raise ValueError(f"the vectors have width {size}, expected a power of two")
    step = 1
    while step < size:
        first, second = vectors.unflatten(-1, (-1, 2, step)).unbind(-2)
        vectors = torch.stack((first + second, first - second), dim=-2).flatten(-3)
        step *= 2
    return vectors * size**-0.5


def hadamard_projection(
    vectors: Float[Tensor, "*rows n e"], signs: Float[Tensor, "blocks 3 size"], hashes: int, code_length: int
) -> Float[Tensor, "*rows m n t"]:
    """Projections on the planes of `hadamard_planes` in O(m·t·log e) a vector, without the planes.

    Each block of signs gives ``√size · H D₃ H D₂ H D₁ x``, x filled up with zeros; the first m·t outputs of all blocks
    are the projections. On CPUs a product with the planes is faster unless the width is large.

    Args:
        vectors: of width e, at most ``size``.
        signs: from `hadamard_signs`.
        hashes: m.
        code_length: t.

    Returns:
        ``vectors @ planes`` up to rounding, in float32 or wider.

    Raises:
        ValueError: if a size is out of its range, or the signs are too few for it.

    Source: YOSO (arXiv 2111.09714), section 3; Andoni et al. 2015 (arXiv 1509.02897), section 3.

    Example:
        >>> hadamard_projection(torch.zeros(7, 5), hadamard_signs(4, 5, 3), 4, 3).shape
        torch.Size([4, 7, 3])
    """
    width = vectors.shape[-1]
    check_signs(signs, hashes, width, code_length)
    size = signs.shape[2]
    outputs = F.pad(vectors.to(wide_dtype(vectors, signs)), (0, size - width))[..., None, :]
    for rounds in range(3):
        outputs = hadamard_transform(outputs * signs[:, rounds])
    planes = outputs.flatten(-2)[..., : hashes * code_length].unflatten(-1, (hashes, code_length))
    return planes.movedim(-2, -3) * size**0.5


def hadamard_planes(
    signs: Float[Tensor, "blocks 3 size"], hashes: int, width: int, code_length: int
) -> Float[Tensor, "m e t"]:
    """The planes of three Hadamard–diagonal rounds written out: a linear map is its images of the unit vectors.

    Their directions are approximately those of `gaussian_planes` when the width is large. There are few directions for
    a small one, and planes of size 8 and less may lie wholly in the zeros that fill the vectors up: no plane at all.
    Within one block planes are orthogonal to each other (without the cut to the width), so their signs are not
    independent.

    Args:
        signs: from `hadamard_signs`.
        hashes: m.
        width: e, of the vectors to be hashed.
        code_length: t.

    Raises, Source: as for `hadamard_projection`.

    Example:
        >>> hadamard_planes(hadamard_signs(4, 5, 3), 4, 5, 3).shape
        torch.Size([4, 5, 3])
    """
    check_hash_sizes(hashes, width, code_length)
    unit_vectors = torch.eye(width, device=signs.device, dtype=signs.dtype)
    return hadamard_projection(unit_vectors, signs, hashes, code_length)
