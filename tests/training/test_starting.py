"""A start from another run, averages of weights, patience, and what Lightning's users bring."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import CSVLogger

from sampleformer.errors import InputError
from sampleformer.settings import Component
from sampleformer.training import Recipe, RunFolder, evaluate, train
from sampleformer.training.run_folder import kept_weights, model_weights, read_checkpoint
from tests.tasks.test_masked import write_texts
from tests.training.small import number_recipe, text_recipe, write_numbers


class Losses(Callback):
    """Replaces what checks find.

    Args:
        losses: One for each check.
    """

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Replaces a loss."""
        pl_module.valid_scores = pl_module.valid_scores | {"loss": self.losses.pop(0)}


def masked_recipe(path: Path, **training: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "masked",
            "data": {"name": "text", "path": str(path), "text": "text", "min_count": 1, "task": "masked"},
            "model": {"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "attention": "full"},
            "training": {"steps": 3, "batch_size": 8} | training,
        }
    )


def labelled_recipe(path: Path, **training: Any) -> Recipe:
    recipe = masked_recipe(path, **training)
    data = Component(name="text", path=str(path), text="text", label="label")
    return recipe.model_copy(update={"data": data})


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("pretrained")
    return train(masked_recipe(write_texts(folder / "all.csv", 60)), folder / "run", quiet=True)


class FirstWeights(Callback):
    """Keeps the weights that a training starts with."""

    weights: dict[str, torch.Tensor]

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.weights = {name: tensor.clone() for name, tensor in pl_module.model.state_dict().items()}


def test_weights_and_vocabulary_are_taken_over(
    pretrained: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = write_texts(tmp_path / "few.csv", 24)  # seen alone it would have a vocabulary in another order
    first = FirstWeights()
    with caplog.at_level(logging.INFO, "sampleformer"):
        recipe = labelled_recipe(few, init_from=str(pretrained.path))
        run = train(recipe, tmp_path / "run", quiet=True, callbacks=[first])
    before = pretrained.read_model().state_dict()
    shared = [name for name in before if not name.startswith("head.") and name != "hidden"]
    assert shared
    for name in shared:
        assert torch.equal(first.weights[name], before[name]), name
    assert "hidden" not in first.weights
    (line,) = [each for each in caplog.messages if "taken over" in each]
    assert f"{len(shared)} of {len(first.weights)} tensors taken over; another task: head." in line
    assert line.endswith("of no use here: hidden")
    assert run.read_encoding().model_inputs == pretrained.read_encoding().model_inputs
    assert evaluate(run.path)["scores"] == pytest.approx(run.read_results()["best"]["test"])  # type: ignore[index]


def test_a_run_of_the_same_task_gives_its_head_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_texts(tmp_path / "texts.csv", 40)
    old = train(labelled_recipe(path), tmp_path / "old", quiet=True)
    first = FirstWeights()
    with caplog.at_level(logging.INFO, "sampleformer"):
        train(labelled_recipe(path, init_from=str(old.path)), tmp_path / "new", quiet=True, callbacks=[first])
    before = old.read_model().state_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in first.weights.items())
    (line,) = [each for each in caplog.messages if "taken over" in each]
    assert line.endswith(f"{len(before)} of {len(before)} tensors taken over")


def test_a_run_that_started_from_another_goes_on_without_it(pretrained: RunFolder, tmp_path: Path) -> None:
    path = write_texts(tmp_path / "few.csv", 24)
    recipe = labelled_recipe(path, init_from=str(pretrained.path), steps=4, check_every=2)
    whole = train(recipe, tmp_path / "whole", quiet=True)

    class Stop(Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            if trainer.global_step == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "cut", quiet=True, callbacks=[Stop()])
    pretrained.path.rename(pretrained.path.with_name("elsewhere"))
    try:
        cut = train(recipe, tmp_path / "cut", quiet=True, resume=True)
    finally:
        pretrained.path.with_name("elsewhere").rename(pretrained.path)
    one, other = (each.read_model().state_dict() for each in (whole, cut))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_does_not_fit_is_refused(pretrained: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        train(labelled_recipe(write_texts(tmp_path / "a.csv"), init_from=str(tmp_path)), tmp_path / "run")
    numbers = number_recipe(write_numbers(tmp_path / "n.csv"), init_from=str(pretrained.path))
    with pytest.raises(InputError, match="training.init_from: that run read text data, expected numbers data"):
        train(numbers, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_average_of_the_weights_is_checked_and_kept(tmp_path: Path) -> None:
    recipe = text_recipe(write_texts_of_reviews(tmp_path), steps=6, check_every=3, ema=0.5)

    class Weights(Callback):
        def __init__(self) -> None:
            self.seen: list[dict[str, torch.Tensor]] = []

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            self.on_train_batch_end(trainer, pl_module)

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
            self.seen.append({name: tensor.clone() for name, tensor in pl_module.model.state_dict().items()})

    weights = Weights()
    run = train(recipe, tmp_path / "run", quiet=True, callbacks=[weights])
    expected = weights.seen[0]
    for step, new in enumerate(weights.seen[1:], start=1):
        decay = min(0.5, (1 + step) / (10 + step))
        expected = {name: decay * old + (1 - decay) * new[name] for name, old in expected.items()}
    checkpoint = read_checkpoint(run.last_checkpoint)
    kept = kept_weights(checkpoint)
    assert kept.keys() == expected.keys()
    for name in kept:
        torch.testing.assert_close(kept[name], expected[name], rtol=1e-5, atol=1e-7)
    assert any(not torch.equal(kept[name], value) for name, value in model_weights(checkpoint).items())
    best = kept_weights(read_checkpoint(run.best_checkpoint))
    assert all(torch.equal(tensor, best[name]) for name, tensor in run.read_model().state_dict().items())


def write_texts_of_reviews(folder: Path) -> Path:
    from tests.training.small import write_texts as write_reviews

    return write_reviews(folder / "reviews.csv")


def test_patience_ends_a_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recipe = text_recipe(
        write_texts_of_reviews(tmp_path), steps=40, check_every=1, patience=3, learning_rate=1e-12, schedule="constant"
    )
    with caplog.at_level(logging.INFO, "sampleformer"):
        run = train(recipe, tmp_path / "run", quiet=True)
    results = run.read_results()
    assert results is not None
    assert results["last"]["step"] == results["best"]["step"] + 3 < 40
    assert any("training.patience" in line for line in caplog.messages)
    run.results.unlink()  # as if it was killed before the test part was scored
    again = train(recipe, run.path, resume=True, quiet=True).read_results()
    assert again is not None
    assert [again[name] for name in ("best", "last")] == [results[name] for name in ("best", "last")]


def test_a_check_that_is_the_best_so_far_does_not_try_the_patience(tmp_path: Path) -> None:
    recipe = text_recipe(write_texts_of_reviews(tmp_path), steps=6, check_every=2, patience=1, selected_by="loss")
    run = train(recipe, tmp_path / "run", quiet=True, callbacks=[Losses([0.5, 0.4, 0.45])])
    results = run.read_results()
    assert results is not None
    assert [results[name]["step"] for name in ("best", "last")] == [4, 6]


@pytest.mark.parametrize(
    "training", [{"accumulate": 2, "batch_size": 4}, {"workers": 2}], ids=["accumulate", "workers"]
)
def test_how_batches_are_made_does_not_change_the_training(training: dict[str, Any], tmp_path: Path) -> None:
    path = write_texts_of_reviews(tmp_path)
    plain = train(text_recipe(path, steps=3, batch_size=8), tmp_path / "plain", quiet=True).read_model()
    other = train(text_recipe(path, **{"steps": 3, "batch_size": 8} | training), tmp_path / "other", quiet=True)
    for one, same in zip(plain.parameters(), other.read_model().parameters(), strict=True):
        torch.testing.assert_close(one, same, rtol=0, atol=0)


def test_a_muon_training_goes_on_as_if_it_had_not_been_stopped(tmp_path: Path) -> None:
    path = write_texts_of_reviews(tmp_path)
    recipe = text_recipe(path, steps=4, check_every=2, optimizer={"name": "muon"}, ema=0.9)
    whole = train(recipe, tmp_path / "whole", quiet=True)

    class Stop(Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            if trainer.global_step == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "cut", quiet=True, callbacks=[Stop()])
    cut = train(recipe, tmp_path / "cut", quiet=True, resume=True)
    one, other = (read_checkpoint(each.last_checkpoint)["state_dict"] for each in (whole, cut))
    assert one.keys() == other.keys()
    assert any(name.startswith("average.") for name in one)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_loggers_and_early_stopping_of_the_user(tmp_path: Path) -> None:
    recipe = text_recipe(write_texts_of_reviews(tmp_path), steps=12, check_every=2)
    logger = CSVLogger(tmp_path / "logs", name="", version="mine")
    stopping = EarlyStopping("valid_loss", mode="min", patience=1, min_delta=1e9)
    run = train(
        recipe,
        tmp_path / "run",
        quiet=True,
        callbacks=[stopping],
        trainer={"logger": logger, "log_every_n_steps": 1},
    )
    results = run.read_results()
    assert results is not None
    assert results["last"]["step"] == 4  # the first check, and one that is not better by a thousand million
    table = np.genfromtxt(tmp_path / "logs" / "mine" / "metrics.csv", delimiter=",", names=True)
    names = table.dtype.names
    assert {"step", "train_loss", "learning_rate", "valid_loss", "valid_accuracy"} <= set(names or ())
    logged = table["valid_loss"][~np.isnan(table["valid_loss"])]
    last = results["last"]["valid"]["loss"]
    assert logged[-1] == pytest.approx(last, rel=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "max_epochs",
        "callbacks",
        "devices",
        "max_steps",
        "min_epochs",
        "min_steps",
        "limit_train_batches",
        "limit_val_batches",
        "overfit_batches",
        "fast_dev_run",
        "check_val_every_n_epoch",
        "val_check_interval",
        "enable_checkpointing",
        "accumulate_grad_batches",
        "gradient_clip_val",
        "barebones",
        "num_nodes",
        "strategy",
    ],
)
def test_arguments_of_the_trainer_that_are_not_free(name: str, tmp_path: Path) -> None:
    recipe = text_recipe(write_texts_of_reviews(tmp_path), steps=1)
    with pytest.raises(InputError, match=f"trainer: found '{name}', which the recipe or another argument"):
        train(recipe, tmp_path / "run", trainer={name: 1})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "wrong", [{"optimizer": "adamm"}, {"loss": "squarred"}, {"optimizer": {"name": "sgd", "a": 1}}]
)
def test_parts_that_do_not_exist_are_named_before_the_folder_is_made(wrong: dict[str, Any], tmp_path: Path) -> None:
    recipe = text_recipe(write_texts_of_reviews(tmp_path), steps=1, **wrong)
    with pytest.raises(InputError, match=f"training.{next(iter(wrong))}"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
