"""The loss of a step, with the terms that look at the choices."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sampleformer.attention import Choice, PairSampler
from sampleformer.data import TextTable, collate
from sampleformer.data.batch import Batch
from sampleformer.errors import InputError
from sampleformer.functional.collapse import score_entropy, score_load
from sampleformer.models import TokenModel
from sampleformer.tokens import Tokens
from sampleformer.training import TrainingSettings, train
from sampleformer.training.module import TrainingModule
from sampleformer.training.run_folder import read_checkpoint
from tests.training.small import text_recipe, write_texts
from tests.training.test_run import StopAt

SFT = {"attention": {"name": "sft", "sampled": 3}, "dropout": 0.0}
SCORE_FUNCTION = {"attention": {"name": "samsa", "sampled": 2, "choice": "score_function"}, "dropout": 0.0}


def _module(path: Path, model: dict[str, Any] = SFT, **training: Any) -> tuple[TrainingModule, Any]:
    recipe = text_recipe(path, model=model, **training)
    splits = TextTable(str(path), text="review", label="sentiment", tokens="bytes").load()
    encoding = splits.encoding
    model = TokenModel(recipe.model, encoding.model_inputs, encoding.task.outputs).train()
    module = TrainingModule(model, splits, recipe.training, 6)
    return module, collate([splits.train[row] for row in range(8)])


def _step(module: TrainingModule, batch: Batch) -> dict[str, Tensor]:
    """The loss of a batch in one chunk."""
    (parts,) = module.step_loss([[batch]])
    return parts


def test_terms_are_weighed_and_recorded(tmp_path: Path) -> None:
    module, batch = _module(write_texts(tmp_path / "texts.csv"), score_entropy=0.5, score_load=0.25)
    torch.manual_seed(3)
    found = _step(module, batch)
    torch.manual_seed(3)
    outputs, selections = module.model.with_selections(batch.tokens)
    choices = [each.scores for each in selections]
    assert len(choices) == 2
    entropy = torch.stack([score_entropy(each.values, each.mask).mean() for each in choices]).mean()
    load = torch.stack([score_load(each.values, each.mask).mean() for each in choices]).mean()
    task = torch.nn.functional.cross_entropy(outputs, batch.targets)
    torch.testing.assert_close(found["task_loss"], task)
    torch.testing.assert_close(found["score_entropy"], entropy)
    torch.testing.assert_close(found["score_load"], load)
    torch.testing.assert_close(found["loss"], task - 0.5 * entropy + 0.25 * load)
    assert not any(found[name].requires_grad for name in ("task_loss", "score_entropy", "score_load"))


SAMSA = {"attention": {"name": "samsa", "sampled": 3, "choice": "detached"}, "dropout": 0.0}


def test_the_attention_mass_teaches_the_scorer_alone(tmp_path: Path) -> None:
    module, batch = _module(write_texts(tmp_path / "texts.csv"), SAMSA, score_mass=2.0, mass_queries=5)
    plain, _ = _module(tmp_path / "texts.csv", SAMSA)
    plain.load_state_dict(module.state_dict())
    for each in (module, plain):
        torch.manual_seed(3)
        _step(each, batch)["loss"].backward()
    gradients, without = ({name: part.grad for name, part in each.named_parameters()} for each in (module, plain))
    of_scorer = {name for name in gradients if ".scorer." in name}
    assert of_scorer
    assert all(bool(gradients[name].any()) and without[name] is None for name in of_scorer)
    for name in gradients.keys() - of_scorer:
        torch.testing.assert_close(gradients[name], without[name])


def test_scores_come_nearer_to_the_attention_mass(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, batch = _module(write_texts(tmp_path / "texts.csv"), SAMSA, score_mass=1.0)
    scorers = [part for name, part in module.named_parameters() if ".scorer." in name]
    optimizer = torch.optim.Adam(scorers, lr=0.01)  # of a fixed model, whose attention does not change
    found = []
    for _ in range(30):
        optimizer.zero_grad()
        parts = _step(module, batch)
        parts["loss"].backward()
        optimizer.step()
        found.append(float(parts["score_mass"]))
    assert found[-1] < found[0] / 2


def test_without_weights_the_loss_is_that_of_the_task(tmp_path: Path) -> None:
    module, batch = _module(write_texts(tmp_path / "texts.csv"))
    found = _step(module, batch)
    assert found.keys() == {"loss", "task_loss"}
    assert torch.equal(found["loss"].detach(), found["task_loss"])


def test_the_terms_have_columns_and_the_loss_is_that_of_the_task(tmp_path: Path) -> None:
    recipe = text_recipe(write_texts(tmp_path / "texts.csv"), model=SFT, score_entropy=50.0)
    folder = train(recipe, tmp_path / "run", quiet=True)
    with folder.metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:5] == ["step", "epoch", "train_loss", "train_score_entropy", "valid_loss"]
    assert all(0 < float(row["train_score_entropy"]) <= 1 for row in rows)
    assert all(0 < float(row["train_loss"]) < 5 for row in rows)


@pytest.mark.parametrize("setting", ["score_entropy", "score_load"])
def test_a_weight_works_against_collapse(tmp_path: Path, setting: str) -> None:
    means = []
    for weight in (0.0, 20.0):
        torch.manual_seed(0)
        module, batch = _module(write_texts(tmp_path / "texts.csv"), **{setting: weight})
        with torch.no_grad():
            for layer in module.model.encoder.layers:
                layer.attention.sampler.score.weight *= 10
        optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
        for _ in range(20):
            optimizer.zero_grad()
            _step(module, batch)["loss"].backward()
            optimizer.step()
        scores = [each.scores for each in module.model.with_selections(batch.tokens)[1]]
        measure = score_entropy if setting == "score_entropy" else score_load
        means.append(torch.stack([measure(each.values, each.mask).mean() for each in scores]).mean().item())
    assert means[1] > means[0] if setting == "score_entropy" else means[1] < means[0]


@pytest.mark.parametrize("samples", [2, 3])
def test_the_score_function_learns_from_several_draws(tmp_path: Path, samples: int) -> None:
    module, batch = _module(write_texts(tmp_path / "texts.csv"), SCORE_FUNCTION, choice_samples=samples)
    learning = {name: each for name, each in module.model.named_parameters() if each.requires_grad}
    torch.manual_seed(3)
    found = _step(module, batch)
    found["loss"].backward()
    torch.manual_seed(3)
    losses, log_probabilities = [], []
    for _ in range(samples):
        outputs, selections = module.model.with_selections(batch.tokens)
        losses.append(torch.nn.functional.cross_entropy(outputs, batch.targets, reduction="none"))
        log_probabilities.append(selections[0].scores.log_probability + selections[1].scores.log_probability)
    torch.testing.assert_close(found["task_loss"], torch.stack(losses).mean().detach())
    gradients = {name: parameter.grad.clone() for name, parameter in learning.items()}
    module.zero_grad()
    expected = torch.stack(losses).mean()
    for draw in range(samples):
        for row in range(len(batch)):
            others = sum(float(losses[q][row].detach()) for q in range(samples) if q != draw) / (samples - 1)
            advantage = float(losses[draw][row].detach()) - others
            expected = expected + advantage * log_probabilities[draw][row] / (samples * len(batch))
    expected.backward()
    for name, parameter in learning.items():
        torch.testing.assert_close(gradients[name], parameter.grad)
    assert [bool(each.any()) for name, each in gradients.items() if name.endswith("scorer.score.weight")] == [True] * 2


def test_a_training_by_the_score_function_goes_on_bit_for_bit(tmp_path: Path) -> None:
    recipe = text_recipe(write_texts(tmp_path / "texts.csv"), model=SCORE_FUNCTION, steps=6)
    weights = train(recipe, tmp_path / "whole", quiet=True).last_checkpoint
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "stopped", quiet=True, callbacks=[StopAt(5)])
    resumed = train(recipe, tmp_path / "stopped", resume=True, quiet=True).last_checkpoint
    first, second = (read_checkpoint(path)["state_dict"] for path in (weights, resumed))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


class Silent(PairSampler):
    """A sampler that keeps its scores to itself."""

    def forward(self, context: Tokens, noise: Tensor | None) -> Choice:
        return replace(super().forward(context, noise), scores=None)


@pytest.mark.parametrize("kind", ["terms", "score function"])
def test_a_compiled_model_has_the_loss_of_a_plain_one(tmp_path: Path, fresh_compiler: None, kind: str) -> None:
    model, terms = (SFT, {"score_entropy": 0.5, "score_load": 0.25}) if kind == "terms" else (SCORE_FUNCTION, {})
    module, batch = _module(write_texts(tmp_path / "texts.csv"), model | {"dropout": 0.0}, **terms)
    found = []
    for compiled in (False, True):
        if compiled:
            module.model.compile(backend="eager", fullgraph=True)
        torch.manual_seed(3)
        module.zero_grad()
        loss = _step(module, batch)["loss"]
        loss.backward()
        found.append((loss, [each.grad.clone() for each in module.parameters() if each.grad is not None]))
    torch.testing.assert_close(found[1][0], found[0][0])
    for one, other in zip(found[1][1], found[0][1], strict=True):
        torch.testing.assert_close(one, other)


def test_a_sampler_that_shows_no_scores_is_told_so(tmp_path: Path) -> None:
    module, batch = _module(write_texts(tmp_path / "texts.csv"), score_load=0.1)
    for layer in module.model.encoder.layers:
        layer.attention.sampler = Silent(8, sampled=3)
    with pytest.raises(InputError, match=r"^training.score_load: needs the scores of the choice, but no sampler"):
        _step(module, batch)


def test_settings_are_checked() -> None:
    for values in (
        {"score_entropy": -1},
        {"score_load": float("inf")},
        {"score_mass": -1},
        {"mass_queries": 0},
        {"choice_samples": 1},
    ):
        with pytest.raises(ValueError, match=next(iter(values))):
            TrainingSettings(steps=1, **values)  # type: ignore[arg-type]
