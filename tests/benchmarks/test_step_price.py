"""The benchmark of a training step, on a small model."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from benchmarks.step_price import PRODUCTS, WARM_UP_STEPS, price
from sampleformer.settings import Component
from tests.training.small import TRAINING, number_recipe, write_numbers


def test_calls_are_those_of_one_step_and_products_are_told_apart(tmp_path: Path) -> None:
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
    products = sum(operators[name]["self_ms"] for name in PRODUCTS & operators.keys())
    assert found["products_ms"] == pytest.approx(products, abs=0.05)
    assert found["ratio"] == pytest.approx(found["step_ms"] / found["products_ms"], rel=0.02)
    assert found["step_ms"] > 0
    assert found["between_steps_ms"] >= 0
