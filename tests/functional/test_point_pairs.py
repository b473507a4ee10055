"""Features of pairs of points against their twins: values, every gradient, what must not matter, coinciding points."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sampleformer.functional.neighbours import nearest_neighbours
from sampleformer.functional.point_pairs import centre_pairs, normal_pairs
from tests.naive import clouds as naive

EXACT = {"rtol": 1e-10, "atol": 1e-10}
BATCH, LENGTH, K = 2, 7, 3


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True)


def cloud(*, masked: bool = False, length: int = LENGTH, k: int = K) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Points, normals, and some neighbours of each."""
    points = random(BATCH, length, 3)
    mask = torch.rand(BATCH, length) < 0.7 if masked else None
    indices, valid = nearest_neighbours(points, k, mask)
    return points, unit(random(BATCH, length, 3)), indices, valid


def rotation() -> Tensor:
    orthogonal, upper = torch.linalg.qr(random(3, 3))
    orthogonal = orthogonal * upper.diagonal().sign()
    return orthogonal * orthogonal.det().sign()


def assert_same_value_and_gradients(found: Tensor, expected: Tensor, leaves: list[Tensor]) -> None:
    torch.testing.assert_close(found, expected, **EXACT)
    upstream = torch.randn_like(expected)
    gradients = [torch.autograd.grad(value, leaves, upstream) for value in (found, expected)]
    for mine, twin in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, twin, **EXACT)


every_mask = pytest.mark.parametrize("masked", [False, True], ids=["no-mask", "masked"])
both_orientations = pytest.mark.parametrize("oriented", [True, False], ids=["oriented", "not-oriented"])


@every_mask
def test_centre_pairs_equal_the_twin(masked):
    points, _, indices, valid = cloud(masked=masked)
    points.requires_grad_()
    found, expected = centre_pairs(points, indices, valid), naive.centre_pairs(points, indices, valid)
    assert_same_value_and_gradients(found, expected, [points])


@every_mask
@both_orientations
def test_normal_pairs_equal_the_twin(masked, oriented):
    points, normals, indices, valid = cloud(masked=masked)
    leaves = [points.requires_grad_(), normals.requires_grad_()]
    found = normal_pairs(points, normals, indices, valid, oriented=oriented)
    expected = naive.normal_pairs(points, normals, indices, valid, oriented)
    assert_same_value_and_gradients(found, expected, leaves)


@both_orientations
def test_gradients_are_the_true_ones(oriented):
    points, normals, indices, valid = cloud(masked=True)
    leaves = points.requires_grad_(), normals.requires_grad_()
    torch.autograd.gradcheck(lambda x: centre_pairs(x, indices, valid), leaves[:1])
    torch.autograd.gradcheck(lambda x, v: normal_pairs(x, v, indices, valid, oriented=oriented), leaves)


@given(seed=st.integers(0, 10**6), oriented=st.booleans())
def test_rotations_change_nothing(seed, oriented):
    torch.manual_seed(seed)
    points, normals, indices, valid = cloud(masked=True)
    turn = rotation()
    before, after = (
        torch.cat([centre_pairs(x, indices, valid), normal_pairs(x, v, indices, valid, oriented=oriented)], -1)
        for x, v in ((points, normals), (points @ turn.T, normals @ turn.T))
    )
    torch.testing.assert_close(after, before, **EXACT)


@given(seed=st.integers(0, 10**6))
def test_shifts_do_not_change_normal_pairs(seed):
    torch.manual_seed(seed)
    points, normals, indices, _ = cloud()
    found, expected = (normal_pairs(x, normals, indices) for x in (points + random(1, 1, 3), points))
    torch.testing.assert_close(found, expected, **EXACT)


@given(seed=st.integers(0, 10**6))
def test_normals_that_are_not_oriented_may_turn_around(seed):
    torch.manual_seed(seed)
    points, normals, indices, _ = cloud()
    signs = torch.randint(0, 2, (BATCH, LENGTH, 1)) * 2.0 - 1
    found, expected = (normal_pairs(points, v, indices, oriented=False) for v in (normals * signs, normals))
    torch.testing.assert_close(found, expected, **EXACT)


@given(seed=st.integers(0, 10**6))
def test_permuting_points_permutes_pairs(seed):
    torch.manual_seed(seed)
    points, normals, indices, _ = cloud()
    order = torch.randperm(LENGTH)
    moved = order.argsort()[indices[:, order]]
    for before, after in (
        (centre_pairs(points, indices), centre_pairs(points[:, order], moved)),
        (normal_pairs(points, normals, indices), normal_pairs(points[:, order], normals[:, order], moved)),
    ):
        torch.testing.assert_close(after, before[:, order], **EXACT)


@both_orientations
def test_coinciding_points_give_zeros_and_no_gradient(oriented):
    points = torch.tensor([[[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]], requires_grad=True)
    normals, indices = torch.tensor([[[0.0, 0.6, 0.8], [0.0, 0.8, 0.6]]]), torch.tensor([[[1], [0]]])
    found = normal_pairs(points, normals, indices, oriented=oriented)
    torch.testing.assert_close(found[..., 3], torch.full((1, 2, 1), 0.96))
    assert not found[..., [0, 1, 2, *range(4, found.shape[-1])]].any()
    assert not torch.autograd.grad(found.sum(), points)[0].any()
    seen = centre_pairs(points, indices)
    assert not seen[..., [0, 3]].any()
    assert not torch.autograd.grad(seen[..., [0, 3]].sum(), points)[0].any()


def test_a_point_at_the_origin_gives_zeros_and_no_gradient_of_its_own():
    points = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 3.0, 4.0]]], requires_grad=True)
    found = centre_pairs(points, torch.tensor([[[1], [0]]]))
    torch.testing.assert_close(found[0, 0, 0], torch.tensor([5.0, 0.0, 5.0, 0.0]))
    gradient = torch.autograd.grad(found[..., 1:].sum(), points)[0]
    assert torch.isfinite(gradient).all()
    assert not torch.autograd.grad(centre_pairs(points, torch.tensor([[[1], [0]]]))[..., 1].sum(), points)[0][
        0, 0
    ].any()


def test_invalid_slots_hold_zeros_whatever_is_there():
    points = torch.tensor([[[1.0, 0.0, 0.0], [torch.nan, torch.inf, 0.0]]])
    indices, valid = torch.tensor([[[1], [0]]]), torch.zeros(1, 2, 1, dtype=torch.bool)
    assert not centre_pairs(points, indices, valid).any()
    assert not normal_pairs(points, points, indices, valid).any()


def test_half_precision_is_computed_in_float32():
    points, normals, indices, _ = cloud()
    points, normals = points.bfloat16(), normals.bfloat16()
    found = normal_pairs(points, normals, indices)
    assert found.dtype == torch.float32
    assert torch.equal(found, normal_pairs(points.float(), normals.float(), indices))


@pytest.mark.usefixtures("fresh_compiler")
def test_neighbours_and_pairs_compile_whole():
    def both(points: Tensor, normals: Tensor, mask: Tensor) -> Tensor:
        indices, valid = nearest_neighbours(points, K, mask)
        return torch.cat(
            [centre_pairs(points, indices, valid), normal_pairs(points, normals, indices, valid, oriented=False)], -1
        )

    points, normals = random(BATCH, LENGTH, 3).requires_grad_(), unit(random(BATCH, LENGTH, 3))
    mask = torch.rand(BATCH, LENGTH) < 0.8
    compiled = torch.compile(both, fullgraph=True, backend="aot_eager")
    found, expected = compiled(points, normals, mask), both(points, normals, mask)
    torch.testing.assert_close(found, expected, **EXACT)
    gradients = [torch.autograd.grad(value.square().sum(), points)[0] for value in (found, expected)]
    torch.testing.assert_close(*gradients, **EXACT)
