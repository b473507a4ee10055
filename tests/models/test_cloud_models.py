"""PointNet and DGCNN: sizes as published, and what must hold of them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sampleformer.models import DGCNN, Model, PointNet
from sampleformer.models.dgcnn import DGCNNSettings, EdgeConv, nearest_neighbours
from sampleformer.models.pointnet import PENALTY, PointNetSettings, orthogonality_loss
from sampleformer.models.pointwise import PointwiseLayer
from sampleformer.tokens import Tokens

INPUTS = {"features": 0, "normals": False}


def pointnet(outputs: int = 7) -> PointNet:
    return PointNet(PointNetSettings(), INPUTS, outputs)


def dgcnn(outputs: int = 7, **settings: Any) -> DGCNN:
    return DGCNN(DGCNNSettings(**settings), INPUTS, outputs)


MODELS: dict[str, Callable[[], Model]] = {
    "pointnet": pointnet,
    "dgcnn": lambda: dgcnn(neighbours=5, factored=False),
    "factored": lambda: dgcnn(neighbours=5),
}


def cloud(points: Tensor, mask: Tensor | None = None) -> Tokens:
    return Tokens(points.new_zeros(*points.shape[:2], 0), mask, coordinates=points)


def trained(model: Model) -> Model:
    """In float64, with weights and statistics that are not those of the start."""
    model = model.double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    model.train()(cloud(torch.randn(6, 40, 3, dtype=torch.float64)))
    return model.eval()


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_parameters_are_as_many_as_published() -> None:
    # PointNet's table 6 says 3.5 million; the authors' code of DGCNN has 1 809 576 for the 40 classes of ModelNet40.
    assert round(parameters(pointnet(40)) / 1e6, 1) == 3.5
    assert parameters(dgcnn(40)) == parameters(dgcnn(40, factored=False)) == 1_809_576


@pytest.mark.parametrize("name", MODELS)
def test_the_order_of_the_points_and_the_other_clouds_do_not_matter(name: str) -> None:
    model = trained(MODELS[name]())
    points = torch.randn(3, 30, 3, dtype=torch.float64)
    answers = model(cloud(points))
    assert answers.shape == (3, 7)
    assert answers.std() > 1e-3
    torch.testing.assert_close(model(cloud(points[:, torch.randperm(30)])), answers, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(
        torch.cat([model(cloud(each[None])) for each in points]), answers, rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_learns(name: str) -> None:
    model = MODELS[name]().train()
    if isinstance(model, PointNet):
        for transform in (model.input_transform, model.feature_transform):
            nn.init.normal_(transform.output.weight, std=0.1)  # at zero it lets no gradient through
    model(cloud(torch.randn(4, 30, 3))).square().sum().backward()
    for place, parameter in model.named_parameters():
        assert parameter.grad is not None, place
        assert parameter.grad.abs().sum() > 0, place


def test_fewer_points_than_neighbours() -> None:
    assert dgcnn().eval()(cloud(torch.randn(2, 3, 3))).isfinite().all()


@pytest.mark.parametrize("name", MODELS)
def test_a_step_on_one_cloud(name: str) -> None:
    """The norms of the head see one vector, which has no variance: they give their bias, and keep their statistics."""
    model = trained(MODELS[name]()).train()
    head = {place: each.clone() for place, each in model.named_buffers() if "head" in place}
    found = model(cloud(torch.randn(1, 30, 3, dtype=torch.float64)))
    found.square().sum().backward()
    assert found.isfinite().all()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in model.parameters())
    assert head
    assert all(torch.equal(each, head[place]) for place, each in model.named_buffers() if place in head)


def test_pointnet_starts_with_transforms_that_change_nothing() -> None:
    model = pointnet().eval()
    points = torch.randn(2, 10, 3)
    torch.testing.assert_close(points @ model.input_transform(points), points)
    outputs, penalty = model.with_penalty(cloud(points))
    assert penalty is not None
    assert penalty.tolist() == [0, 0]
    torch.testing.assert_close(outputs, model(cloud(points)))


def test_pointnet_is_penalised_as_published_and_dgcnn_is_not() -> None:
    """0.001 of the squared distance of A Aᵀ from the identity, summed entry by entry."""
    model, points = trained(pointnet()), torch.randn(2, 10, 3, dtype=torch.float64)
    transform = model.feature_transform(model.enter(points @ model.input_transform(points)))
    penalty = model.with_penalty(cloud(points))[1]
    expected = [0.001 * sum((each @ each.T - torch.eye(64)).flatten().pow(2).tolist()) for each in transform]
    assert penalty is not None
    torch.testing.assert_close(penalty, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(penalty, PENALTY * orthogonality_loss(transform))
    assert dgcnn().eval().with_penalty(cloud(torch.randn(2, 10, 3)))[1] is None


@pytest.mark.parametrize("name", MODELS)
def test_a_smaller_cloud_repeats_its_points_in_the_place_of_padding(name: str) -> None:
    model, points = trained(MODELS[name]()), torch.randn(2, 13, 3, dtype=torch.float64)
    mask = torch.arange(13) < torch.tensor([[13], [9]])
    spoilt = points.masked_fill(~mask[..., None], torch.nan)
    repeated = points.clone()
    repeated[1, 9:] = points[1, :4]
    torch.testing.assert_close(model(cloud(spoilt, mask)), model(cloud(repeated)), rtol=1e-10, atol=1e-12)


def naive_edge_conv(layer: EdgeConv, points: Tensor, neighbours: int) -> Tensor:
    weight, norm = layer.layer.linear.weight, layer.layer.norm
    result = []
    for here in points:
        distances = (points - here).square().sum(-1)
        near = sorted(range(len(points)), key=lambda place: float(distances[place]))[:neighbours]
        mapped = torch.stack([weight @ torch.cat([points[place] - here, here]) for place in near])
        normal = F.batch_norm(mapped, norm.running_mean, norm.running_var, norm.weight, norm.bias)
        result.append(F.leaky_relu(normal, 0.2).max(0).values)
    return torch.stack(result)


@pytest.mark.parametrize("factored", [False, True])
def test_edge_convolution_is_its_formula(factored: bool) -> None:
    layer = EdgeConv(3, 6, neighbours=4, factored=factored).double()
    layer(torch.randn(2, 20, 3, dtype=torch.float64))  # statistics
    nn.init.normal_(layer.layer.norm.weight)
    points = torch.randn(1, 9, 3, dtype=torch.float64)
    torch.testing.assert_close(layer.eval()(points)[0], naive_edge_conv(layer, points[0], 4), rtol=1e-10, atol=1e-12)


def test_the_factored_form_has_the_same_gradients() -> None:
    plain = dgcnn(neighbours=5, dropout=0, factored=False).double()
    factored = dgcnn(neighbours=5, dropout=0).double()
    factored.load_state_dict(plain.state_dict())
    points = torch.randn(3, 20, 3, dtype=torch.float64)
    for model in (plain, factored):
        model(cloud(points)).square().sum().backward()
    for one, other in zip(plain.parameters(), factored.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-8, atol=1e-9)


def test_neighbours_are_the_nearest() -> None:
    points = torch.randn(2, 40, 3, dtype=torch.float64)  # enough that cdist takes its way through products
    distances = (points[:, :, None] - points[:, None]).square().sum(-1)
    assert torch.equal(nearest_neighbours(points, 6), distances.argsort(-1)[..., :6])


def test_the_norm_is_that_of_all_vectors() -> None:
    layer, norm = PointwiseLayer(3, 4).double(), nn.BatchNorm1d(4).double()
    vectors = torch.randn(2, 5, 6, 3, dtype=torch.float64)
    expected = F.relu(norm(layer.linear(vectors).flatten(0, 2)).unflatten(0, (2, 5, 6)))
    torch.testing.assert_close(layer(vectors), expected)
    torch.testing.assert_close(layer.norm.running_var, norm.running_var)
