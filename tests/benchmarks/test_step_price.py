"""The benchmark of a training step, on a small model."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from benchmarks.step_price import WARM_UP_STEPS, StepPrice, price
from sampleformer.settings import Component
from tests.training.small import TRAINING, number_recipe, write_numbers


def test_figures_are_means_over_the_steps() -> None:
    found = StepPrice()
    found.steps, found.between, found.profiled = [0.030, 0.050], [0.002, 0.004], 2
    found.times.update({"aten::mm": 6e3, "aten::addmm": 4e3, "aten::gelu": 9e3})
    found.calls.update({"aten::mm": 4, "aten::addmm": 2, "aten::gelu": 3})
    assert found.figures(1) == {
        "step_ms": 40.0,
        "products_ms": 5.0,
        "ratio": 8.0,
        "between_steps_ms": 3.0,
        "calls": 4,
        "operators": [{"name": "aten::gelu", "self_ms": 4.5, "calls": 1.5}],
    }


def test_calls_are_those_of_one_step(tmp_path: Path) -> None:
    recipe = number_recipe(write_numbers(tmp_path / "n.csv"), **TRAINING)
    full = recipe.model.model_copy(update={"attention": Component(name="full")})  # calls its linear layers as modules
    recipe = recipe.model_copy(update={"model": full})
    called: Counter[type] = Counter()

    def count(module: nn.Module, *_: Any) -> None:
        called[type(module)] += 1

    handle = register_module_forward_hook(count)
    try:
        found = price(recipe, steps=2, most=10_000)
    finally:
        handle.remove()
    operators = {each["name"]: each for each in found["operators"]}
    steps = WARM_UP_STEPS + 2 * 2
    assert operators["aten::linear"]["calls"] == called[nn.Linear] / steps
    assert found["calls"] == pytest.approx(sum(each["calls"] for each in operators.values()), abs=1)
