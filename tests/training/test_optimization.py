"""Tests of the optimiser and its learning rate."""

import math

import pytest
import torch
from torch import nn

from sampleformer.training import TrainingSettings
from sampleformer.training.optimization import make_optimizer, rate_factor


def test_cosine_with_warm_up() -> None:
    factor = rate_factor(TrainingSettings(steps=100, warmup_steps=10, schedule="cosine"), 100)
    assert [factor(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert factor(10) == 1.0
    assert factor(55) == pytest.approx(0.5)
    assert factor(99) == pytest.approx(0.5 * (1 + math.cos(math.pi * 89 / 90)))
    assert factor(100) == pytest.approx(0.0)


def test_linear_and_constant() -> None:
    linear = rate_factor(TrainingSettings(steps=10, schedule="linear"), 10)
    assert [linear(step) for step in (0, 5, 10)] == [1.0, 0.5, 0.0]
    constant = rate_factor(TrainingSettings(steps=10, schedule="constant", warmup_steps=2), 10)
    assert [constant(step) for step in (0, 1, 9)] == [0.5, 1.0, 1.0]


def test_a_warm_up_takes_a_fifth_of_a_short_training() -> None:
    factor = rate_factor(TrainingSettings(steps=10, warmup_steps=100, schedule="linear"), 10)
    assert [factor(step) for step in range(10)] == pytest.approx([0.5, 1, *(step / 8 for step in range(8, 0, -1))])


def test_only_matrices_are_decayed() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    model[0].weight.grad = torch.zeros(4, 3)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    settings = TrainingSettings(steps=1, learning_rate=0.1, weight_decay=0.5)
    make_optimizer(model, settings).step()
    weight, *rest = model.parameters()
    torch.testing.assert_close(weight, before[0] * (1 - 0.1 * 0.5))
    for parameter, old in zip(rest, before[1:], strict=True):
        assert torch.equal(parameter, old)


def test_parameters_that_do_not_learn_are_left_out() -> None:
    model = nn.Linear(3, 4)
    model.bias.requires_grad_(False)
    (group,) = make_optimizer(model, TrainingSettings(steps=1)).param_groups
    assert group["params"] == [model.weight]


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_first_step_has_the_size_of_the_learning_rate(optimizer: str) -> None:
    weight = nn.Parameter(torch.tensor([[2.0, -3.0]]))
    model = nn.Module()
    model.weight = weight
    weight.grad = torch.tensor([[0.5, -7.0]])
    settings = TrainingSettings(steps=1, learning_rate=0.1, weight_decay=0.0, optimizer=optimizer)  # type: ignore[arg-type]
    make_optimizer(model, settings).step()
    torch.testing.assert_close(weight.detach(), torch.tensor([[1.9, -2.9]]))
