"""What YOSO is made of: planes, codes, probabilities of collision and vectors of unit length, against their twins."""

import math

import pytest
import torch
from torch import Tensor

from sampleformer.functional.bernoulli import (
    collision_probability,
    expected_attention,
    gaussian_planes,
    hadamard_planes,
    hadamard_projection,
    hadamard_signs,
    hadamard_transform,
    pack_signs,
    sign_codes,
    unit_length,
)
from tests.naive import bernoulli as naive

# Codes and planes


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize(("hashes", "width", "code_length"), [(1, 1, 1), (3, 5, 7), (2, 4, 16)])
def test_codes_equal_the_twins(hashes, width, code_length, dtype):
    # Small whole numbers: every projection is exact in every dtype, and some are zero.
    vectors = torch.randint(-2, 3, (2, 3, 6, width)).to(dtype)
    planes = torch.randint(-2, 3, (hashes, width, code_length)).float()
    codes = sign_codes(vectors, planes)
    assert codes.dtype == torch.int32
    assert codes.tolist() == [[naive.sign_codes(head, planes) for head in sample] for sample in vectors]
    assert torch.equal(pack_signs(vectors.float()[..., None, :, :] @ planes), codes)


def test_zero_and_nan_count_as_the_negative_side():
    vectors = torch.tensor([[0.0, 0.0], [-0.0, 0.0], [math.nan, 1.0], [1.0, 0.0]])
    assert sign_codes(vectors, torch.eye(2)[None]).tolist() == [[0, 0, 0, 1]]
    assert pack_signs(vectors).tolist() == [0, 0, 2, 1]


def test_codes_of_many_vectors_are_made_in_blocks(monkeypatch):
    vectors, planes = torch.randn(2, 37, 5, dtype=torch.float64), gaussian_planes(3, 5, 4, dtype=torch.float64)
    whole = sign_codes(vectors, planes)
    monkeypatch.setattr("sampleformer.functional.bernoulli.codes.NUMBERS_PER_BLOCK", 100)
    assert torch.equal(sign_codes(vectors, planes), whole)


def test_planes_are_reproducible_and_have_the_dtype_asked_for():
    for make in (gaussian_planes, hadamard_signs):
        first, second = (make(3, 5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64) for _ in "12")
        assert first.dtype == torch.float64
        assert torch.equal(first, second)
        assert not torch.equal(first, make(3, 5, 4, dtype=torch.float64))


@pytest.mark.parametrize("size", [1, 2, 8, 32])
def test_hadamard_transform_is_the_matrix(size):
    vectors = torch.randn(2, 2, size, dtype=torch.float64)
    torch.testing.assert_close(hadamard_transform(vectors), vectors @ naive.hadamard_matrix(size), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("hashes", "width", "code_length"), [(1, 1, 1), (4, 1, 3), (3, 5, 7), (2, 8, 4), (5, 33, 16)])
def test_hadamard_projection_is_the_planes_is_the_twin(hashes, width, code_length):
    signs = hadamard_signs(hashes, width, code_length, dtype=torch.float64)
    assert set(signs.unique().tolist()) <= {-1.0, 1.0}
    planes = hadamard_planes(signs, hashes, width, code_length)
    expected_planes = naive.hadamard_planes(signs, hashes, width, code_length)
    torch.testing.assert_close(planes, expected_planes, rtol=0, atol=1e-12)
    vectors = torch.randn(2, 2, 6, width, dtype=torch.float64)
    projection = hadamard_projection(vectors, signs, hashes, code_length)
    torch.testing.assert_close(projection, vectors[:, :, None] @ expected_planes, rtol=0, atol=1e-10)
    # A plane of few numbers may vanish: then the side is a matter of rounding.
    clear = (projection.abs() > 1e-9).all(-1)
    assert bool(clear.any())
    assert torch.equal(pack_signs(projection)[clear], sign_codes(vectors, expected_planes)[clear])


# Statistics. Standard errors, not tolerances; the seeds are fixed.

ANGLES = torch.tensor([0.1, 0.5, 1.0, math.pi / 2, 2.0, 2.8], dtype=torch.float64)


def at_angles(width: int) -> tuple[Tensor, Tensor]:
    """A vector, and one at each angle to it."""
    one, other = torch.linalg.qr(torch.randn(width, 2, dtype=torch.float64)).Q.unbind(1)
    return one, ANGLES.cos()[:, None] * one + ANGLES.sin()[:, None] * other


@pytest.mark.parametrize("code_length", [1, 4, 9])
def test_gaussian_planes_collide_as_often_as_they_should(code_length):
    hashes = 40_000
    one, others = at_angles(width=5)
    codes = sign_codes(torch.cat([one[None], others]), gaussian_planes(hashes, 5, code_length, dtype=torch.float64))
    frequency = (codes[:, :1] == codes[:, 1:]).double().mean(0)
    probability = collision_probability(others @ one, code_length)
    torch.testing.assert_close(probability, (1 - ANGLES / math.pi) ** code_length, rtol=1e-10, atol=0)
    standard_error = (probability * (1 - probability) / hashes).sqrt()
    assert bool(((frequency - probability).abs() < 4 * standard_error).all()), (frequency, probability)


@pytest.mark.parametrize("code_length", [1, 4])
def test_hadamard_planes_collide_about_as_often(code_length):
    width, blocks = 64, 600
    hashes_in_block = width // code_length
    one, others = at_angles(width)
    signs = hadamard_signs(blocks * hashes_in_block, width, code_length, dtype=torch.float64)
    planes = hadamard_planes(signs, blocks * hashes_in_block, width, code_length)
    codes = sign_codes(torch.cat([one[None], others]), planes)
    # Planes of one block depend on each other: what is drawn independently is a block.
    shares = (codes[:, :1] == codes[:, 1:]).double().unflatten(0, (blocks, -1)).mean(1)
    frequency, standard_error = shares.mean(0), shares.std(0) / blocks**0.5
    probability = collision_probability(others @ one, code_length)
    # The planes' directions are only approximately Gaussian: a hundredth beside the error of the count.
    assert bool(((frequency - probability).abs() < 0.01 + 4 * standard_error).all()), (frequency, probability)


# Probabilities of collision


@pytest.mark.parametrize("code_length", [1, 2, 9, 16])
def test_collision_probability_and_its_surrogate_gradient(code_length):
    cosine = torch.tensor([-1.0, -0.9, -0.3, 0.0, 0.2, 0.999, 1.0], dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(7, dtype=torch.float64)
    probability = collision_probability(cosine, code_length)
    (gradient,) = torch.autograd.grad(probability, cosine, upstream)
    exact = torch.tensor([naive.collision_probability(c, code_length) for c in cosine.tolist()], dtype=torch.float64)
    torch.testing.assert_close(probability.detach(), exact, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(gradient, upstream * code_length / 2 * exact, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_cosines_beyond_one_count_as_one(dtype):
    cosine = torch.tensor([1.0, 1.01, 1.5, -1.0, -1.01], dtype=dtype, requires_grad=True)
    probability = collision_probability(cosine, 4)
    assert probability.dtype == dtype
    assert probability.tolist() == [1, 1, 1, 0, 0]
    probability.sum().backward()
    assert cosine.grad.tolist() == [2, 2, 2, 0, 0]


def test_what_comes_back_may_be_changed_in_place():
    cosine = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    collision_probability(cosine, 2).mul_(3).sum().backward()
    torch.testing.assert_close(cosine.grad, torch.tensor([0.75, 3.0], dtype=torch.float64))


def test_the_second_derivative_of_a_probability_is_that_of_its_surrogate():
    cosine = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    probability = collision_probability(cosine, 3)
    (gradient,) = torch.autograd.grad(probability, cosine, create_graph=True)
    gradient.backward()
    torch.testing.assert_close(cosine.grad, (3 / 2) ** 2 * probability.detach())


def test_unit_vectors_whose_square_exceeds_one_make_no_nan():
    vectors = unit_length(torch.randn(200, 32))
    squares = (vectors * vectors).sum(-1).requires_grad_()
    assert bool((squares > 1).any()), "the case to be tested does not occur"
    probability = collision_probability(squares, 8)
    probability.sum().backward()
    assert bool(((probability > 0.99) & (probability <= 1)).all())
    assert bool(squares.grad.isfinite().all())
    leaves = [vectors[None, None].clone().requires_grad_() for _ in range(3)]
    out = expected_attention(*leaves, 8)
    for tensor in (out, *torch.autograd.grad(out.sum(), leaves)):
        assert bool(tensor.isfinite().all())


# Unit length


def test_unit_length_equals_the_twin_and_its_gradient_is_the_true_one():
    vectors = torch.randn(7, 5, dtype=torch.float64)
    vectors[3] = 0
    torch.testing.assert_close(unit_length(vectors), naive.unit_length(vectors), rtol=0, atol=1e-14)
    nonzero = vectors[:3].requires_grad_()
    assert torch.autograd.gradcheck(unit_length, nonzero)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_a_row_of_zeros_stays_zero_and_gets_no_gradient(dtype):
    vectors = torch.tensor([[0.0, 0.0], [-0.0, 0.0], [3.0, 4.0]], dtype=dtype, requires_grad=True)
    units = unit_length(vectors)
    assert units.dtype == dtype
    units.backward(torch.tensor([[1e4, -1e4], [1.0, 1.0], [1.0, 0.0]], dtype=dtype))
    assert not units[:2].any()
    assert not vectors.grad[:2].any()
    torch.testing.assert_close(vectors.grad[2], torch.tensor([0.128, -0.096], dtype=dtype))


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [
        (1e-37, torch.float32),
        (1e-30, torch.float32),
        (1e30, torch.float32),
        (5e37, torch.float32),
        (1e-300, torch.float64),
        (1e300, torch.float64),
        (2.0**-24, torch.float16),
        (2.0**13, torch.float16),
        (1e-38, torch.bfloat16),
        (1e37, torch.bfloat16),
    ],
    ids=str,
)
def test_rows_whose_squares_vanish_or_overflow_become_units(scale, dtype):
    vectors = (torch.tensor([[3.0, -4.0]], dtype=torch.float64) * scale).to(dtype).requires_grad_()
    units = unit_length(vectors)
    torch.testing.assert_close(units, torch.tensor([[0.6, -0.8]], dtype=dtype))
    units.sum().backward()
    assert not vectors.grad.isnan().any()
    # The true gradient of the sum, (1 - u Σu) / length, where it can be written in this dtype.
    true = torch.tensor([[1.12, 0.84]], dtype=torch.float64) / (5 * scale)
    if float(true.max()) < torch.finfo(dtype).max:
        torch.testing.assert_close(vectors.grad.double(), true, rtol=4 * torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("smallest", [1e-45, 1e-40])
def test_rows_below_the_smallest_normal_number_count_as_zero(smallest):
    vectors = torch.tensor([[smallest, -smallest]], requires_grad=True)
    units = unit_length(vectors)
    units.sum().backward()
    assert not units.any()
    assert not vectors.grad.any()


# Compiled, and refusals


def test_probability_and_projection_compile(fresh_compiler):
    def collide(vectors: Tensor, signs: Tensor) -> tuple[Tensor, Tensor]:
        units = unit_length(vectors)
        probability = collision_probability(units @ units.transpose(-1, -2), 4)
        return probability, pack_signs(hadamard_projection(vectors, signs, 3, 4))

    vectors = torch.randn(2, 6, 5, dtype=torch.float64, requires_grad=True)
    signs = hadamard_signs(3, 5, 4, dtype=torch.float64)
    results = []
    for run in (collide, torch.compile(collide, fullgraph=True, backend="aot_eager")):
        probability, codes = run(vectors, signs)
        results.append({"probability": probability, "codes": codes})
        (results[-1]["gradient"],) = torch.autograd.grad(probability.square().sum(), vectors)
    for name, eager in results[0].items():
        torch.testing.assert_close(results[1][name], eager, rtol=1e-12, atol=1e-12)


def test_widths_that_do_not_fit_are_refused(unchecked):
    with pytest.raises(ValueError, match="the planes are for vectors of width 4, the vectors have 3"):
        sign_codes(torch.ones(2, 3), torch.ones(1, 4, 2))
    with pytest.raises(ValueError, match="the signs are for vectors of width 4 at most, the vectors have 5"):
        hadamard_projection(torch.ones(2, 5), torch.ones(1, 3, 4), 1, 2)
    with pytest.raises(ValueError, match="the signs give 4 planes, expected at least 6"):
        hadamard_projection(torch.ones(2, 4), torch.ones(1, 3, 4), 2, 3)
    for width in (0, 3, 12):
        with pytest.raises(ValueError, match=f"the vectors have width {width}, expected a power of two"):
            hadamard_transform(torch.ones(2, width))
