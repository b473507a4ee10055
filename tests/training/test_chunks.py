"""A batch that is cut into chunks has the gradient of the whole batch."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sampleformer.data import Samples, TargetRows, TokenSets, collate, cut_by_length
from sampleformer.data.batch import Batch
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.settings import Component
from sampleformer.tasks import Classification, MultiLabel, Regression, Task
from sampleformer.training import TrainingSettings
from sampleformer.training.loss import make_loss
from sampleformer.training.step_loss import StepLoss

LEVELS = ("sample", "token", "pair")
COLUMNS = 3
NAMES = [str(number) for number in range(COLUMNS)]
TASKS: dict[str, Task] = {
    "classification": Classification("y", NAMES),
    "multilabel": MultiLabel(NAMES),
    "regression": Regression(NAMES, [0.0] * COLUMNS, [1.0] * COLUMNS),
}


def _targets(task: str, rows: int, known: str) -> np.ndarray:
    """Targets of all samples, one below the other, of which a third or none is unknown."""
    random = np.random.default_rng(1)
    missing = random.random(rows if task == "classification" else (rows, COLUMNS)) < (1 / 3 if known == "some" else 0)
    if task == "classification":
        return np.where(missing, -1, random.choice(COLUMNS, size=rows, p=[0.7, 0.2, 0.1]))
    values = random.integers(0, 2, size=missing.shape) if task == "multilabel" else random.normal(size=missing.shape)
    return np.where(missing, np.nan, values).astype(np.float32)


def _samples(task: str, level: str, known: str, count: int = 12) -> Samples:
    random = np.random.default_rng(0)
    lengths = random.integers(2, 9, size=count)
    offsets = np.concatenate([[0], lengths.cumsum()])
    sets = TokenSets(random.integers(0, 20, size=offsets[-1]), offsets)
    names = [str(row) for row in range(count)]
    if level == "sample":
        return Samples(sets, _targets(task, count, known), names)
    if level == "token":
        return Samples(sets, TargetRows(_targets(task, int(offsets[-1]), known), offsets), names)
    pairs = np.concatenate([random.integers(0, length, size=(row % 3 + 1, 2)) for row, length in enumerate(lengths)])
    rows = np.concatenate([[0], (np.arange(count) % 3 + 1).cumsum()])
    return Samples(sets, TargetRows(_targets(task, len(pairs), known), rows, pairs), names)


def _model(level: str, attention: dict[str, Any]) -> TokenModel:
    settings = ModelSettings(
        width=8,
        layers=2,
        heads=2,
        feedforward=16,
        embed=Component(name="sequence", hidden=8),
        attention=Component(**attention),
        residual_scale=1.0,
    )
    torch.manual_seed(0)
    return TokenModel(settings, {"vocabulary": 20}, COLUMNS, level=level).double().train()


def _step(model: TokenModel, loss: StepLoss, groups: list[list[Batch]]) -> tuple[dict[str, float], dict[str, Tensor]]:
    """The loss of a step and its terms, and the gradient of each parameter."""
    model.zero_grad()
    sums: dict[str, float] = {}
    for parts in loss(groups):
        parts["loss"].backward()
        sums = {name: sums.get(name, 0.0) + value.item() for name, value in parts.items()}
    return sums, {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


def _assert_cut_is_whole(samples: Samples, settings: TrainingSettings, model: TokenModel, task: str) -> None:
    assert samples.targets is not None
    loss = StepLoss(settings, model, make_loss(TASKS[task], settings.loss, samples.targets))
    whole = collate([samples[row] for row in range(len(samples))])
    cut = [collate([samples[row] for row in rows]) for rows in cut_by_length(samples.sizes, max_tokens=20, overhead=2)]
    assert len(cut) > 2
    sums, gradients = _step(model, loss, [[whole]])
    found_sums, found = _step(model, loss, [[chunk] for chunk in cut])
    assert found_sums == pytest.approx(sums, rel=1e-6)  # weights are in float32
    assert found.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-6, atol=1e-10, msg=name)
    assert any(bool(gradient.abs().max() > 1e-3) for gradient in gradients.values())


@pytest.mark.parametrize("known", ["all", "some"])
@pytest.mark.parametrize("weights", ["none", "balanced"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("task", TASKS)
def test_gradients_of_chunks_add_up_to_those_of_the_batch(task: str, level: str, weights: str, known: str) -> None:
    loss = None
    if "balanced" in weights:
        if task == "regression":
            pytest.skip("numbers have no classes to weigh")
        loss = Component(name=TASKS[task].losses[0], class_weights=weights)
    settings = TrainingSettings(steps=1, loss=loss)
    _assert_cut_is_whole(_samples(task, level, known), settings, _model(level, {"name": "full"}), task)


@pytest.mark.parametrize("level", LEVELS)
def test_terms_of_chunks_add_up_too(level: str) -> None:
    settings = TrainingSettings(steps=1, score_entropy=0.5, score_load=0.25)
    model = _model(level, {"name": "samsa", "sampled": 3, "choice": "straight_through", "noise": 0.0})
    _assert_cut_is_whole(_samples("classification", level, "some"), settings, model, "classification")
