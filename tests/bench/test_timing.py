"""Turns and predictions; never how long anything takes."""

import pytest
import torch

from sampleformer.bench.layer import make_layer
from sampleformer.bench.settings import SpeedSettings
from sampleformer.bench.timing import Pass, predicted_seconds, round_robin


def test_turns_begin_with_another_pass_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SpeedSettings(("full",), (4,), width=8, heads=2)
    layer = make_layer("full", settings)
    passes = {name: Pass(layer, [torch.zeros(1, 4, 8)]) for name in "abc"}
    names = {work: name for name, work in passes.items()}
    order = []

    def seconds(self: Pass) -> float:
        order.append(names[self])
        return float(len(order))

    monkeypatch.setattr(Pass, "seconds", seconds)
    told: list[str] = []
    times = round_robin(passes, 4, told.append)
    assert "".join(order) == "abcbcacababc"
    assert times == {"a": [1.0, 6.0, 8.0, 10.0], "b": [2.0, 4.0, 9.0, 11.0], "c": [3.0, 5.0, 7.0, 12.0]}
    assert told == ["pass 1 of 4", "pass 2 of 4", "pass 3 of 4", "pass 4 of 4"]


def test_a_real_time_is_positive_and_leaves_nothing_behind() -> None:
    layer = make_layer("full", SpeedSettings(("full",), (4,), width=8, heads=2))
    step = Pass(layer, [torch.zeros(1, 4, 8)], torch.ones(1, 4, 8))
    assert step.seconds() > 0
    assert step.inputs[0].grad is None
    assert all(parameter.grad is None for parameter in layer.parameters())


def test_predictions() -> None:
    assert predicted_seconds([], 100) is None
    assert predicted_seconds([(10, 1.0)], 20) == pytest.approx(4)  # nothing but one time: the square
    assert predicted_seconds([(10, 1.0), (20, 4.0)], 40) == pytest.approx(16)
    assert predicted_seconds([(1, 9.0), (10, 1.0), (20, 2.0)], 40) == pytest.approx(4)
    assert predicted_seconds([(10, 1.0), (20, 0.5)], 40) == pytest.approx(1)  # noise: never better than linear
