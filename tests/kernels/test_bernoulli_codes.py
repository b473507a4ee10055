"""Hash codes by Hadamard rounds in Triton, against the product with the planes."""

import pytest
import torch

from sampleformer.functional.bernoulli import hadamard_planes, hadamard_signs, sign_codes
from sampleformer.kernels.bernoulli import codes as module
from sampleformer.kernels.bernoulli import hadamard_codes
from tests.kernels.bernoulli_problems import DEVICE, DTYPES

pytest.importorskip("triton", reason="Triton is not installed")

# Width, hashes, signs in a code: sizes 8 to 128; hashes that end inside a block, at its end, and lie in two.
SIZES = [(8, 3, 2), (8, 2, 4), (11, 4, 4), (32, 3, 9), (70, 5, 16), (128, 17, 9)]


def codes_of(query, key, hashes, code_length, **how):
    signs = hadamard_signs(hashes, query.shape[-1], code_length, device=DEVICE)
    return hadamard_codes(query, key, signs, hashes, code_length, **how), signs


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("width", "hashes", "code_length"), SIZES)
def test_codes_are_those_of_the_planes(width, hashes, code_length, dtype):
    query, key = torch.randn(2, 3, 5, width).to(DEVICE, dtype), torch.randn(2, 3, 2, width).to(DEVICE, dtype)
    found, signs = codes_of(query, key, hashes, code_length, kernel="triton")
    planes = hadamard_planes(signs.double(), hashes, width, code_length)
    for vectors, codes in zip((query, key), found, strict=True):
        assert codes.dtype == torch.int32
        projections = (vectors.double()[:, :, None] @ planes).unsqueeze(-1)
        bits = (codes[..., None, None] >> torch.arange(code_length, device=DEVICE)[:, None]) & 1
        # A sign may be another one only where the projection is zero up to float32's rounding.
        differ = bits.bool() != (projections > 0)
        assert bool((projections[differ].abs() < 1e-5).all())
        assert torch.equal(codes >> code_length, torch.zeros_like(codes))
        share = (codes == sign_codes(vectors, planes.to(torch.float32))).float().mean()
        assert share > 0.99


@pytest.mark.parametrize(("width", "hashes", "code_length"), [(11, 5, 4), (16, 4, 4), (64, 8, 16), (40, 9, 7)])
def test_where_nothing_is_rounded_all_codes_are_the_same_zeros_too(width, hashes, code_length):
    vectors = torch.randint(-1, 2, (1, 2, 40, width), device=DEVICE).float()
    vectors[0, 0, 0] = 0
    (found, _), signs = codes_of(vectors, vectors, hashes, code_length, kernel="triton")
    planes = hadamard_planes(signs, hashes, width, code_length)
    assert bool((vectors[:, :, None] @ planes == 0)[0, 1].any())  # zeros there are, beside those of the zero vector
    assert torch.equal(found, sign_codes(vectors, planes))
    assert not found[0, 0, :, 0].any()


def test_any_number_of_dimensions_and_any_strides():
    vectors = torch.randn(3, 8, 5, device=DEVICE).transpose(1, 2)
    (found, _), signs = codes_of(vectors, vectors, 4, 3, kernel="triton")
    (of_one, _) = hadamard_codes(vectors[1], vectors[1], signs, 4, 3, kernel="triton")
    expected, _ = hadamard_codes(vectors, vectors, signs, 4, 3, kernel="plain")
    assert torch.equal(found, expected)
    assert torch.equal(of_one, expected[1])


def test_large_and_small_vectors_neither_overflow_nor_vanish():
    vectors = torch.randn(1, 6, 64, device=DEVICE)
    signs = hadamard_signs(4, 64, 8, device=DEVICE)
    expected, _ = hadamard_codes(vectors, vectors, signs, 4, 8, kernel="triton")
    for scale in (2.0**120, 2.0**-100):
        found, _ = hadamard_codes(vectors * scale, vectors, signs, 4, 8, kernel="triton")
        assert torch.equal(found, expected)


def test_no_tokens_have_no_codes():
    empty = torch.zeros(2, 0, 8, device=DEVICE)
    (found, _), _ = codes_of(empty, empty, 4, 3, kernel="triton")
    assert found.shape == (2, 4, 0)


def test_too_few_signs_are_refused_as_by_the_plain_function():
    vectors = torch.zeros(1, 5, 8, device=DEVICE)
    signs = hadamard_signs(2, 8, 4, device=DEVICE)
    for kernel in ("plain", "triton"):
        with pytest.raises(ValueError, match="the signs give 8 planes, expected at least 12"):
            hadamard_codes(vectors, vectors, signs, 3, 4, kernel=kernel)


def test_more_hashes_than_the_kernel_holds():
    vectors, many = torch.randn(1, 5, 8, device=DEVICE), module.MOST_HASHES + 1
    with pytest.raises(ValueError, match=f"hashes is {many}, expected at most {module.MOST_HASHES}"):
        codes_of(vectors, vectors, many, 1, kernel="triton")
    (found, _), _ = codes_of(vectors, vectors, many, 1)
    assert found.shape == (1, many, 5)
