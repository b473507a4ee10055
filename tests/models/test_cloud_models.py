"""PointNet and DGCNN: sizes as published, and what must hold of them."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sampleformer.errors import InputError
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


SIZES = (13, 9, 3)
"""Points of clouds: one of them has fewer than neighbours."""


def padded(clouds: list[Tensor], length: int) -> Tokens:
    """Clouds in one batch, NaN in the place of padding."""
    points = torch.full((len(clouds), length, 3), torch.nan, dtype=torch.float64)
    for row, each in enumerate(clouds):
        points[row, : len(each)] = each
    return cloud(points, torch.arange(length) < torch.tensor([[len(each)] for each in clouds]))


@pytest.mark.parametrize("name", MODELS)
def test_a_cloud_beside_larger_ones_has_the_answer_it_has_alone(name: str) -> None:
    model, clouds = trained(MODELS[name]()), [torch.randn(size, 3, dtype=torch.float64) for size in SIZES]
    alone = torch.cat([model(cloud(each[None])) for each in clouds])
    for length in (13, 20):
        torch.testing.assert_close(model(padded(clouds, length)), alone, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("sizes", [(9, 9, 9), (3, 3, 3), SIZES])
@pytest.mark.parametrize("name", MODELS)
def test_a_step_is_the_same_with_more_padding(name: str, sizes: tuple[int, ...]) -> None:
    """Answers, gradients and running statistics; without padding where the clouds are of one size."""
    clouds = [torch.randn(size, 3, dtype=torch.float64) for size in sizes]
    same = len(set(sizes)) == 1
    given = [cloud(torch.stack(clouds)) if same else padded(clouds, max(sizes)), padded(clouds, 20)]
    model = trained(MODELS[name]())
    found = []
    for tokens in given:
        learning = copy.deepcopy(model).train()
        torch.manual_seed(0)  # of dropout
        answers = learning(tokens)
        answers.square().sum().backward()
        found.append([answers, *learning.buffers(), *(each.grad for each in learning.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_a_cloud_without_points_has_zeros_in_their_place(name: str) -> None:
    model, clouds = trained(MODELS[name]()), [torch.randn(size, 3, dtype=torch.float64) for size in (5, 0)]
    width = {"pointnet": 1024}.get(name, 2048)
    nothing = model.head(torch.zeros(1, width, dtype=torch.float64))
    torch.testing.assert_close(model(padded(clouds, 5))[1:], nothing, rtol=1e-10, atol=1e-12)
    answers = model.train()(padded(clouds, 5))
    answers.square().sum().backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in model.parameters())


def test_clouds_without_coordinates_are_refused() -> None:
    for make in MODELS.values():
        with pytest.raises(InputError, match="the tokens have no coordinates, expected those of points"):
            make()(Tokens(torch.zeros(2, 5, 3)))


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


class Doubled(nn.Linear):
    """What stands in the place of a linear layer and does not multiply by its weights alone."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def test_the_factored_form_calls_what_stands_in_the_place_of_its_linear_map() -> None:
    points, found = torch.randn(2, 9, 3, dtype=torch.float64), []
    for factored in (False, True):
        torch.manual_seed(3)
        layer = EdgeConv(3, 6, neighbours=4, factored=factored)
        layer.layer.linear = Doubled(6, 6, bias=False)
        found.append(layer.double()(points))
    torch.testing.assert_close(found[0], found[1])


def test_neighbours_are_the_nearest() -> None:
    points = torch.randn(2, 40, 3, dtype=torch.float64)  # enough that cdist takes its way through products
    distances = (points[:, :, None] - points[:, None]).square().sum(-1)
    assert torch.equal(nearest_neighbours(points, 6)[0], distances.argsort(-1)[..., :6])
    mask = torch.arange(40) < torch.tensor([[40], [4]])
    indices, valid = nearest_neighbours(points, 6, mask)
    assert torch.equal(indices[0], distances[0].argsort(-1)[:, :6])
    assert torch.equal(indices[1, :4, :4], distances[1, :4, :4].argsort(-1))
    assert valid is not None
    assert valid.sum((1, 2)).tolist() == [40 * 6, 4 * 4]
    assert valid[1, :4, :4].all()


def test_the_norm_is_that_of_all_vectors() -> None:
    layer, norm = PointwiseLayer(3, 4).double(), nn.BatchNorm1d(4).double()
    vectors = torch.randn(2, 5, 6, 3, dtype=torch.float64)
    expected = F.relu(norm(layer.linear(vectors).flatten(0, 2)).unflatten(0, (2, 5, 6)))
    torch.testing.assert_close(layer(vectors), expected)
    torch.testing.assert_close(layer.norm.running_var, norm.running_var)
