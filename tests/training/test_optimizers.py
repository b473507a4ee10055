"""Optimizers by name, Muon against its formulas and torch's own, and the learning rate."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sampleformer.errors import InputError
from sampleformer.settings import Component
from sampleformer.training import TrainingSettings, train
from sampleformer.training.learning_rate import RateSchedule, rate_factor
from sampleformer.training.optimizers import OPTIMIZERS, Muon, optimizer_of, orthogonalized, parameter_groups
from tests.training.small import text_recipe, write_texts
from tests.training.test_run import StopAt


def test_cosine_with_warm_up() -> None:
    factor = rate_factor(TrainingSettings(steps=100, warmup_steps=10, schedule=Component(name="cosine")), 100)
    assert [factor(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert factor(10) == 1.0
    assert factor(55) == pytest.approx(0.5)
    assert factor(99) == pytest.approx(0.5 * (1 + math.cos(math.pi * 89 / 90)))
    assert factor(100) == pytest.approx(0.0)


def test_linear_and_constant() -> None:
    linear = rate_factor(TrainingSettings(steps=10, schedule=Component(name="linear")), 10)
    assert [linear(step) for step in (0, 5, 10)] == [1.0, 0.5, 0.0]
    constant = rate_factor(TrainingSettings(steps=10, schedule=Component(name="constant"), warmup_steps=2), 10)
    assert [constant(step) for step in (0, 1, 9)] == [0.5, 1.0, 1.0]


def test_a_warm_up_takes_a_fifth_of_a_short_training() -> None:
    factor = rate_factor(TrainingSettings(steps=10, warmup_steps=100, schedule=Component(name="linear")), 10)
    assert [factor(step) for step in range(10)] == pytest.approx([0.5, 1, *(step / 8 for step in range(8, 0, -1))])


class Half(RateSchedule):
    """A schedule of a user's own."""

    def __init__(self, at: float) -> None:
        self.at = at

    def share(self, progress: float) -> float:
        return 1.0 if progress < self.at else 0.5


def test_a_schedule_has_arguments_and_may_be_a_users_own() -> None:
    cosine = rate_factor(TrainingSettings(steps=10, schedule=Component(name="cosine", last=0.2)), 10)
    assert [cosine(step) for step in (0, 5, 10)] == pytest.approx([1.0, 0.6, 0.2])
    linear = rate_factor(TrainingSettings(steps=10, schedule=Component(name="linear", last=0.5)), 10)
    assert [linear(step) for step in (0, 5, 10)] == pytest.approx([1.0, 0.75, 0.5])
    own = rate_factor(TrainingSettings(steps=10, schedule=Component(name=f"{__name__}.Half", at=0.3)), 10)
    assert [own(step) for step in (2, 3)] == [1.0, 0.5]


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"name": "cosin"}, "training.schedule.name: unknown name 'cosin'; did you mean 'cosine'?"),
        ({"name": "torch.optim.Adam"}, "training.schedule.name: 'torch.optim.Adam' is <class"),
        ({"name": "constant", "last": 0.1}, "training.schedule.last: unknown setting"),
        ({"name": "linear", "last": 1.5}, "training.schedule: last is 1.5, expected 0 to 1"),
    ],
)
def test_wrong_schedules_are_named(schedule: dict[str, Any], message: str) -> None:
    settings = TrainingSettings.model_validate({"steps": 1, "schedule": schedule})
    with pytest.raises(InputError) as raised:
        rate_factor(settings, 10)
    assert str(raised.value).startswith(message)


def make(model: nn.Module, name: str = "adamw", decay: float = 0.0, **arguments: Any) -> torch.optim.Optimizer:
    optimizer = Component(name=name, **arguments)
    settings = TrainingSettings(steps=1, optimizer=optimizer, learning_rate=0.1, weight_decay=decay)
    return optimizer_of(settings, model)


def test_only_matrices_are_decayed() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    make(model, decay=0.5).step()
    weight, *rest = model.parameters()
    torch.testing.assert_close(weight, before[0] * (1 - 0.1 * 0.5))
    for parameter, old in zip(rest, before[1:], strict=True):
        assert torch.equal(parameter, old)


def test_parameters_that_do_not_learn_are_left_out() -> None:
    model = nn.Linear(3, 4)
    model.bias.requires_grad_(False)
    (group,) = make(model).param_groups
    assert group["params"] == [model.weight]


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_first_step_has_the_size_of_the_learning_rate(name: str) -> None:
    model = nn.Module()
    model.weight = nn.Parameter(torch.tensor([[2.0, -3.0]]))
    model.weight.grad = torch.tensor([[0.5, -7.0]])
    make(model, name).step()
    torch.testing.assert_close(model.weight.detach(), torch.tensor([[1.9, -2.9]]))


class Parts(nn.Module):
    """A model with a first, an inner and a last part."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.encoder = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 7), nn.Linear(7, 4)])
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)


def test_muon_steps_the_matrices_inside_and_adamw_all_else() -> None:
    model = Parts()
    inner, decayed, plain = parameter_groups(model, 0.5, matrices=True)
    assert {id(each) for each in inner["params"]} == {id(layer.weight) for layer in model.encoder}
    assert {id(each) for each in decayed["params"]} == {id(model.embed.weight), id(model.head.weight)}
    assert all(each.ndim == 1 for each in plain["params"])
    assert [group["weight_decay"] for group in (inner, decayed, plain)] == [0.5, 0.5, 0.0]
    optimizer = make(model, "muon", decay=0.5, matrix_lr=0.02)
    assert [group["lr"] for group in optimizer.param_groups] == [0.02, 0.1, 0.1]


def naive_muon(weight: Tensor, gradients: list[Tensor], lr: float, decay: float, momentum: float, steps: int) -> Tensor:
    """Muon of one matrix, step by step, from the formulas."""
    buffer = torch.zeros_like(weight)
    for gradient in gradients:
        buffer = momentum * buffer + (1 - momentum) * gradient
        x = (1 - momentum) * gradient + momentum * buffer
        wide = x.T if x.shape[0] > x.shape[1] else x
        wide = wide / wide.square().sum().sqrt()
        for _ in range(steps):
            gram = wide @ wide.T
            wide = 3.4445 * wide + (-4.7750 * gram + 2.0315 * gram @ gram) @ wide
        x = wide.T if x.shape[0] > x.shape[1] else wide
        weight = weight - lr * (0.2 * math.sqrt(max(weight.shape)) * x + decay * weight)
    return weight


def test_muon_against_its_formulas() -> None:
    model = Parts().double()
    first = {name: each.detach().clone() for name, each in model.named_parameters()}
    optimizer = make(model, "muon", decay=0.3, matrix_lr=0.02, momentum=0.9, steps=4)
    given = torch.Generator().manual_seed(0)
    gradients: dict[str, list[Tensor]] = {name: [] for name in first}
    for _ in range(3):
        for name, parameter in model.named_parameters():
            parameter.grad = torch.randn(parameter.shape, generator=given, dtype=torch.double)
            gradients[name].append(parameter.grad.clone())
        optimizer.step()
    for name, parameter in model.named_parameters():
        if "encoder" in name and parameter.ndim == 2:
            expected = naive_muon(first[name], gradients[name], 0.02, 0.3, 0.9, 4)
            torch.testing.assert_close(parameter.detach(), expected, rtol=1e-10, atol=1e-12)
    alone = nn.Parameter(first["head.weight"].clone())
    adamw = torch.optim.AdamW([alone], lr=0.1, weight_decay=0.3)
    for gradient in gradients["head.weight"]:
        alone.grad = gradient
        adamw.step()
    torch.testing.assert_close(model.head.weight, alone)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
def test_muon_is_nearly_torchs_own() -> None:
    """Torch's runs its Newton–Schulz steps in bfloat16, which has three digits."""
    given = torch.Generator().manual_seed(0)
    ours, theirs = (nn.Parameter(torch.ones(6, 9)) for _ in range(2))
    own = Muon([{"params": [ours], "matrices": True}], matrix_lr=0.02, weight_decay=0.1)
    other = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        ours.grad = torch.randn(6, 9, generator=given)
        theirs.grad = ours.grad.clone()
        own.step()
        other.step()
    change = (theirs - 1).abs().mean()
    assert (ours - theirs).abs().max() < 0.1 * change


def test_singular_values_come_near_one() -> None:
    given = torch.Generator().manual_seed(0)
    for shape in ((3, 5, 8), (2, 9, 4), (1, 1, 6)):
        found = torch.linalg.svdvals(orthogonalized(torch.randn(shape, generator=given)))
        assert bool(((found > 0.6) & (found < 1.3)).all())
    assert not orthogonalized(torch.zeros(1, 3, 3)).any()


def test_muon_goes_on_from_a_checkpoint() -> None:
    given = torch.Generator().manual_seed(0)
    gradients = [[torch.randn(each.shape, generator=given) for each in Parts().parameters()] for _ in range(4)]

    def stepped(model: Parts, optimizer: torch.optim.Optimizer, some: list[list[Tensor]]) -> None:
        for step in some:
            for parameter, gradient in zip(model.parameters(), step, strict=True):
                parameter.grad = gradient.clone()
            optimizer.step()

    torch.manual_seed(0)
    whole = Parts()
    stepped(whole, make(whole, "muon"), gradients)
    torch.manual_seed(0)
    first = Parts()
    before = make(first, "muon")
    stepped(first, before, gradients[:2])
    second = Parts()
    second.load_state_dict(first.state_dict())
    after = make(second, "muon")
    after.load_state_dict(before.state_dict())
    stepped(second, after, gradients[2:])
    for one, other in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_matrix_without_a_gradient_stays() -> None:
    model = Parts()
    before = model.encoder[0].weight.detach().clone()
    model.encoder[1].weight.grad = torch.ones(4, 4)
    make(model, "muon").step()
    assert torch.equal(model.encoder[0].weight, before)
    assert model.encoder[1].weight.grad is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "adamm"}, "training.optimizer.name: unknown name 'adamm'; did you mean 'adam"),
        ({"name": "muon", "momentum": 1.0}, "training.optimizer: momentum is 1.0, expected"),
        ({"name": "muon", "matrix_lr": 0.0}, "matrix_lr is 0.0, expected a positive number"),
        ({"name": "muon", "steps": 0}, "steps is 0, expected at least 1"),
        ({"name": "adamw", "lr": 0.1}, "training.optimizer.lr: expected in the training section, as training.learning"),
        ({"name": "sgd", "beta": 1.0}, "training.optimizer.beta: unknown setting"),
    ],
)
def test_wrong_optimizers_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        make(Parts(), **arguments)


@pytest.mark.parametrize("name", ["NAdam", "Adafactor", "ASGD"])
def test_a_state_of_other_shapes_goes_on_from_a_checkpoint(name: str, tmp_path: Path) -> None:
    recipe = text_recipe(write_texts(tmp_path / "texts.csv"), optimizer={"name": f"torch.optim.{name}"})
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", quiet=True, callbacks=[StopAt(6)])
    assert train(recipe, tmp_path / "run", resume=True, quiet=True, trust_code=True).read_results() is not None


def test_every_optimizer_steps_and_a_users_own_is_taken() -> None:
    for name in [*OPTIMIZERS, "torch.optim.RAdam"]:
        model = nn.Linear(3, 4)
        before = model.weight.detach().clone()
        model.weight.grad, model.bias.grad = torch.ones(4, 3), torch.ones(4)
        make(model, name).step()
        assert not torch.equal(model.weight, before)
