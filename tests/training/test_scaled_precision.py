"""Training in float16: steps whose gradients overflow are left out, in all processes."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from sampleformer.errors import InputError
from sampleformer.training import Recipe, RunFolder, train
from sampleformer.training.callbacks import metrics_file
from sampleformer.training.run_folder import read_checkpoint
from sampleformer.training.shares import whole
from tests.training.ranks import Ranks
from tests.training.small import text_recipe, write_texts
from tests.training.test_run import StopAt

HUGE = 2.0**100


class Scale(Callback):
    """Begins with another scale, and keeps the weights of the start and the scale after each step."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.scales: list[float] = []
        self.first: dict[str, torch.Tensor] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sets the scale."""
        trainer.precision_plugin.scaler = torch.amp.GradScaler("cpu", init_scale=self.scale)  # type: ignore[attr-defined]
        self.first = {name: whole(each).clone() for name, each in pl_module.state_dict().items()}

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        """Reads the scale."""
        self.scales.append(trainer.precision_plugin.scaler.get_scale())  # type: ignore[attr-defined]


class NoNumbers(Callback):
    """Makes the losses of some steps no numbers, with the weights of that step alone; keeps the others.

    Args:
        steps: The steps, counted from 0.
    """

    def __init__(self, steps: Sequence[int]) -> None:
        self.steps = steps
        self.losses: dict[int, float] = {}

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Spoils a weight."""
        self.step = trainer.global_step
        self.bias = next(iter(pl_module.model.head.parameters()))  # type: ignore[union-attr, operator]
        self.before = self.bias.detach().clone()
        if self.step in self.steps:
            self.bias.data.fill_(torch.nan)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: object) -> None:
        """Puts it back."""
        if self.step in self.steps:
            self.bias.data.copy_(self.before)
        else:
            self.losses[self.step] = float(outputs["task_loss"])


def _values(folder: Path, **training: Any) -> dict[str, Any]:
    return text_recipe(write_texts(folder / "texts.csv"), precision="16-mixed", **training).model_dump()


def _overflowing(values: dict[str, Any], folder: Path) -> tuple[list[float], bool]:
    """Scales after each step, and whether the weights are still those of the start."""
    scale = Scale(HUGE)
    train(Recipe.model_validate(values), folder, quiet=True, callbacks=[scale])
    last = read_checkpoint(RunFolder(folder).last_checkpoint)["state_dict"]
    return scale.scales, all(torch.equal(last[name], each) for name, each in scale.first.items())


def test_a_step_that_overflows_is_left_out_and_the_scale_becomes_smaller(tmp_path: Path) -> None:
    values = _values(tmp_path, steps=2, check_every=1)
    assert _overflowing(values, tmp_path / "run") == ([HUGE / 2, HUGE / 4], True)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp", "tokens"])
def test_all_processes_leave_it_out(tmp_path: Path, strategy: str) -> None:
    values = _values(tmp_path, steps=2, check_every=1, parts=2, strategy=strategy)
    ranks = Ranks(2)
    try:
        found = ranks.run(_overflowing, values, tmp_path / "run")
    finally:
        ranks.close()
    assert [scales for scales, _ in found] == 2 * [[HUGE / 2, HUGE / 4]]
    assert [unchanged for _, unchanged in found] == [True, True]


def test_a_training_goes_on_with_its_scale(tmp_path: Path) -> None:
    recipe = Recipe.model_validate(_values(tmp_path, steps=8, check_every=2, learning_rate=0.02))
    undisturbed = train(recipe, tmp_path / "whole", quiet=True)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "parts", quiet=True, callbacks=[StopAt(5)])
    again = train(recipe, tmp_path / "parts", resume=True, quiet=True)
    one, other = (read_checkpoint(each.last_checkpoint) for each in (undisturbed, again))
    assert one["ScaledPrecision"]["scale"] == other["ScaledPrecision"]["scale"] > 1
    assert one["ScaledPrecision"]["_growth_tracker"] == other["ScaledPrecision"]["_growth_tracker"]
    for name, value in one["state_dict"].items():
        assert torch.equal(other["state_dict"][name], value), name


@pytest.mark.parametrize(
    ("left_out", "rows"),
    [
        ((2,), {2: (0, 1), 4: (3,), 6: (4, 5), 8: (6, 7)}),
        ((2, 3), {2: (0, 1), 4: (), 6: (4, 5), 8: (6, 7)}),
        ((4, 5), {2: (0, 1), 4: (2, 3), 8: (6, 7)}),
    ],
)
def test_losses_of_steps_that_are_left_out_are_left_out(
    left_out: tuple[int, ...], rows: dict[int, tuple[int, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_file, "LOG_EVERY", 2)
    spoil = NoNumbers(left_out)
    recipe = Recipe.model_validate(_values(tmp_path, steps=8, check_every=4))
    run = train(recipe, tmp_path / "run", quiet=True, callbacks=[spoil])
    with run.metrics.open(newline="") as file:
        found = {int(row["step"]): float(row["train_loss"]) for row in csv.DictReader(file)}
    means = {step: np.mean([spoil.losses[each] for each in steps]) if steps else np.nan for step, steps in rows.items()}
    assert found == pytest.approx(means, rel=1e-5, nan_ok=True)


def test_a_check_without_any_loss_ends_the_training(tmp_path: Path) -> None:
    recipe = Recipe.model_validate(_values(tmp_path, steps=8, check_every=4))
    with pytest.raises(InputError, match="the training loss became nan before step 8"):
        train(recipe, tmp_path / "run", quiet=True, callbacks=[NoNumbers((4, 5, 6, 7))])


def test_what_decides_the_precision_is_the_recipe(tmp_path: Path) -> None:
    recipe = Recipe.model_validate(_values(tmp_path, steps=1))
    with pytest.raises(InputError, match="trainer: found 'plugins', which the recipe or another argument"):
        train(recipe, tmp_path / "run", quiet=True, trainer={"plugins": []})
