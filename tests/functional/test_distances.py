"""Relative terms of distances against their twins: values, every gradient, rotations, points that coincide."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sampleformer.functional.distances import (
    distance_field_features,
    distance_normal_features,
    distances,
    feature_terms,
    squared_distances,
)
from tests.functional.test_relative import (
    BATCH,
    EXACT,
    HEADS,
    KEYS,
    QUERIES,
    assert_same_value_and_gradients,
    choose,
    every_number_of_groups,
    random,
    take,
)
from tests.naive import relative as naive

RATES = torch.tensor([0.5, 1.3, 0.7], dtype=torch.float64)
FEATURES = {"squared_distance": 1, "distance_normals": 2, "distance_field": 3}
every_kind = pytest.mark.parametrize("kind", FEATURES)


def cloud(kind: str, space: int = 3, batch: int = BATCH) -> dict[str, Tensor]:
    """Random points, of which the first query is one of the keys; and what else the terms of a kind depend on."""
    values = {"points": random(batch, QUERIES, space), "others": random(batch, KEYS, space)}
    values["points"][:, 0] = values["others"][:, 0]
    if kind == "distance_normals":
        for name, of in (("normals", "points"), ("other_normals", "others")):
            values[name] = torch.nn.functional.normalize(torch.randn_like(values[of]), dim=-1)
    if kind == "distance_field":
        values["rates"] = RATES.clone()
    return values | {"weight": random(HEADS, FEATURES[kind])}


def terms(kind: str, indices: Tensor, **values: Tensor) -> Tensor:
    points, chosen, weight = values["points"], take(values["others"], indices), values["weight"]
    if kind == "distance_normals":
        other_normals = take(values["other_normals"], indices)
        features = distance_normal_features(points, chosen, values["normals"], other_normals)
    elif kind == "distance_field":
        features = distance_field_features(points, chosen, values["rates"])
    else:
        features = [squared_distances(points, chosen)]
    return feature_terms(features, weight)


@every_kind
@every_number_of_groups
@pytest.mark.parametrize("space", [1, 3])
def test_value_and_every_gradient_equal_the_twin(kind, space, groups):
    indices = choose(groups)
    indices[..., 0] = torch.where((indices == 0).any(-1), indices[..., 0], 0)  # the first query meets itself
    twin = getattr(naive, kind)
    assert_same_value_and_gradients(
        lambda **values: terms(kind, indices, **values),
        lambda **values: twin(**values, indices=indices),
        cloud(kind, space),
    )


@every_kind
def test_gradcheck_twice(kind):
    values, indices = cloud(kind, batch=1), choose(2, batch=1, slots=2)
    for name in values.keys() & {"points", "normals"}:
        values[name] = values[name][:, 1:3]  # where points coincide, a distance has no derivative
    names = list(values)
    leaves = [values[name].clone().requires_grad_() for name in names]

    def function(*given: Tensor) -> Tensor:
        return terms(kind, indices, **dict(zip(names, given, strict=True)))

    assert torch.autograd.gradcheck(function, leaves)
    assert torch.autograd.gradgradcheck(function, leaves)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@every_kind
def test_points_that_coincide_have_finite_gradients(kind, dtype):
    values = {name: value.to(dtype) for name, value in cloud(kind).items()}
    values["others"] = values["points"][:, :1].expand(-1, KEYS, -1).clone()
    values["points"] = values["others"][:, :QUERIES].clone()
    leaves = {name: value.requires_grad_() for name, value in values.items()}
    terms(kind, choose(2), **leaves).square().sum().backward()
    for name, leaf in leaves.items():
        assert bool(leaf.grad.isfinite().all()), name
    assert not leaves["points"].grad.any()


@pytest.mark.parametrize("apart", [1e-3, 1e-18, 1e-30], ids=str)
def test_distances_of_float32_points_that_nearly_coincide(apart):
    points = torch.zeros(1, 1, 3).requires_grad_()
    found = distances(points, torch.tensor([[[[apart, 0.0, 0.0]]]]))
    assert found.item() == pytest.approx(apart, rel=1e-5, abs=1e-22)
    found.backward(torch.ones_like(found))
    expected = -1.0 if found.item() > 0 else 0.0  # 1e-30 has no square in float32
    torch.testing.assert_close(points.grad[0, 0], torch.tensor([expected, 0.0, 0.0]), rtol=1e-5, atol=0)


def test_a_point_far_out_is_at_distance_zero_from_itself():
    points = 1e4 + torch.rand(1, 5, 3)
    squared = squared_distances(points, points[:, None])
    assert torch.equal(squared.diagonal(dim1=2, dim2=3), torch.zeros(1, 1, 5))
    exact = squared_distances(points.double(), points[:, None].double())
    torch.testing.assert_close(squared.double(), exact, rtol=1e-6, atol=0)


def random_rotation(space: int) -> Tensor:
    rotation, upper = torch.linalg.qr(random(space, space))
    rotation = rotation * upper.diagonal().sign()
    rotation[:, 0] *= torch.linalg.det(rotation)
    return rotation


@every_kind
@given(seed=st.integers(0, 10**6), space=st.sampled_from([2, 3]), shift=st.floats(-10, 10))
def test_rotating_and_moving_the_cloud_changes_nothing(kind, seed, space, shift):
    torch.manual_seed(seed)
    values, indices, rotation = cloud(kind, space), choose(2), random_rotation(space)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones((), dtype=torch.float64))
    moved = dict(values)
    for name in ("points", "others"):
        moved[name] = values[name] @ rotation.T + shift
    for name in ("normals", "other_normals"):
        if name in values:
            moved[name] = values[name] @ rotation.T
    torch.testing.assert_close(terms(kind, indices, **moved), terms(kind, indices, **values), **EXACT)


@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 100))
def test_fields_rise_with_the_distance_from_zero_to_one(seed, scale):
    torch.manual_seed(seed)
    points = torch.cat([torch.zeros(1), (scale * torch.rand(8)).sort().values]).view(1, 9, 1)
    rates = 5 * torch.rand(3) + 1e-3
    fields = torch.stack(distance_field_features(points, torch.zeros(1, 1, 1, 1), rates), dim=-1).squeeze()
    assert torch.equal(fields[0], torch.zeros(3))
    assert bool((fields.diff(dim=0) >= 0).all())
    assert bool((fields <= 1).all())
    far = distance_field_features(points + 1e6, torch.zeros(1, 1, 1, 1), rates)
    assert all(bool((plane > 0.99).all()) for plane in far)


@pytest.mark.parametrize("rate", [1e-38, 1e38])
def test_extreme_rates_give_finite_values_and_gradients(rate):
    rates = torch.full((3,), rate).requires_grad_()
    points = torch.tensor([[[0.0], [2.0]]]).requires_grad_()
    found = torch.stack(distance_field_features(points, points[:, None], rates))
    found.sum().backward()
    assert all(bool(value.isfinite().all()) for value in (found, rates.grad, points.grad))


@pytest.mark.parametrize("autocast", [True, False], ids=["autocast", "plain"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
@every_kind
def test_terms_are_computed_wide_and_have_the_dtype_of_the_weights(kind, dtype, autocast):
    values, indices = {name: value.to(dtype) for name, value in cloud(kind).items()}, choose(2)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = terms(kind, indices, **values)
    exact = terms(kind, indices, **{name: value.double() for name, value in values.items()})
    assert found.dtype == dtype
    # Nothing but the result is rounded to bfloat16.
    torch.testing.assert_close(found.double(), exact, rtol=2**-8 if dtype == torch.bfloat16 else 1e-5, atol=1e-5)
