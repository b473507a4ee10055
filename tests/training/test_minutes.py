"""Tests of trainings that have a time."""

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import Callback

from sampleformer.errors import InputError
from sampleformer.recipes import change
from sampleformer.settings import validate
from sampleformer.training import Recipe, RunFolder, TrainingSettings, train
from sampleformer.training import costs as costs_module
from sampleformer.training import run as run_module
from sampleformer.training.callbacks import metrics_file
from sampleformer.training.run_folder import read_checkpoint
from sampleformer.training.timing import CHECKS_SHARE, FEWEST_STEPS, Costs, TimeLimit, fit_to_time
from tests.training.small import text_recipe, write_texts
from tests.training.test_run import StopAt


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Slow(Callback):
    """Lets a clock run at every step, and at every check.

    Args:
        clock: Clock of the time limit.
        step: Seconds of a step.
        check: Seconds of a check.
    """

    def __init__(self, clock: Clock, step: float, check: float) -> None:
        self.clock, self.step, self.check = clock, step, check

    def on_train_batch_end(self, *_: Any) -> None:
        self.clock.now += self.step

    def on_validation_epoch_end(self, *_: Any) -> None:
        self.clock.now += self.check


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "texts.csv")


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces what is measured."""

    def measured(**seconds: float) -> None:
        found = Costs(**{"step": 0.1, "check": 0.2, "scoring": 0.4} | seconds)
        monkeypatch.setattr(costs_module, "measured_costs", lambda *_, **__: found)

    return measured


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of every time limit, and of what a checkpoint knows of earlier sessions."""
    made = Clock()
    monkeypatch.setattr(metrics_file, "time", SimpleNamespace(perf_counter=made))
    monkeypatch.setattr(run_module, "TimeLimit", lambda minutes: TimeLimit(minutes, made))
    return made


def _timed(texts: Path, minutes: float, **training: Any) -> Recipe:
    return change(text_recipe(texts, **training), [f"training.minutes={minutes}"])


def _seconds(settings: TrainingSettings, costs: Costs, batches: int) -> float:
    total, every = settings.total_steps(batches), settings.steps_between_checks(batches)
    return total * costs.step + -(-total // every) * costs.check + costs.scoring + costs.start


@pytest.mark.parametrize("check_every", [None, 7])
@pytest.mark.parametrize("batches", [1, 9, 150, 4000])
@pytest.mark.parametrize(
    "costs", [Costs(0.1, 0.05, 0.1), Costs(0.01, 3.0, 9.0), Costs(0.7, 0.0, 0.0, start=5.0), Costs(0.003, 0.2, 0.1)]
)
def test_steps_checks_and_test_fill_the_time(costs: Costs, batches: int, check_every: int | None) -> None:
    settings = TrainingSettings(minutes=1, check_every=check_every)
    fitted, words = fit_to_time(settings, costs, 60.0, batches)
    assert fitted.steps is not None
    assert fitted.minutes == 1
    assert _seconds(fitted, costs, batches) <= 60
    more = fitted.model_copy(update={"steps": fitted.steps + 1 + int((4 + 2 * costs.check) / costs.step)})
    assert _seconds(more, costs, batches) > 57  # hardly more would fit
    assert f"1 minute: {fitted.steps:,} steps of" in words
    if check_every is None:
        checks = -(-fitted.steps // fitted.steps_between_checks(batches))
        assert checks * costs.check <= max(CHECKS_SHARE * 60, costs.check)
    else:
        assert fitted.check_every == 7


def test_passes_are_a_limit_and_steps_are_none() -> None:
    fitted, words = fit_to_time(TrainingSettings(minutes=5, epochs=10), Costs(0.1, 0.1, 0.2), 300.0, 9)
    assert fitted.steps == 90
    assert words == "5 minutes: 90 steps of 0.10 s, 10 passes, as many as training.epochs allows: some 10 s"
    free = TrainingSettings(minutes=5, epochs=1000, min_steps=4000)
    assert fit_to_time(free, Costs(0.1, 0.1, 0.2), 300.0, 9)[0].total_steps(9) < 3000


def test_few_rows_have_as_many_passes_as_without_a_time() -> None:
    small = TrainingSettings(minutes=5, epochs=2, min_steps=150)
    fitted, words = fit_to_time(small, Costs(0.1, 0.1, 0.2), 300.0, 15)
    assert fitted.total_steps(15) == fitted.steps == small.total_steps(15) == 150
    assert words == "5 minutes: 150 steps of 0.10 s, 10 passes, as many as training.min_steps asks for: some 16 s"
    hurried, words = fit_to_time(small, Costs(0.1, 0.1, 0.2), 10.0, 15)
    assert 60 < hurried.total_steps(15) < 100
    assert hurried.min_steps == hurried.steps
    assert "as many as" not in words


@pytest.mark.parametrize("left", [2.0, 0.0, -50.0])
def test_a_time_too_short_for_any_step(left: float) -> None:
    fitted, words = fit_to_time(TrainingSettings(minutes=0.05), Costs(1.5, 1.0, 2.0), left, 9)
    assert fitted.steps == FEWEST_STEPS
    assert words == (
        "0.05 minutes: 3 steps of 1.50 s, 0.3 passes, the fewest; they, their check and the test need some 8 s more"
    )


@pytest.mark.parametrize(
    ("minutes", "message"),
    [
        (0, "minutes: input should be greater than 0, got 0"),
        (-1, "minutes: input should be greater than 0, got -1"),
        (float("nan"), "minutes: input should be "),
        (float("inf"), "minutes: input should be a finite number, got inf"),
        ("long", "minutes: input should be a valid number"),
    ],
)
def test_wrong_times(minutes: Any, message: str) -> None:
    with pytest.raises(InputError) as raised:
        validate(TrainingSettings, {"minutes": minutes})
    assert str(raised.value).startswith(message)


def test_what_a_change_of_the_length_takes_away(texts: Path) -> None:
    recipe = change(text_recipe(texts), ["training.epochs=7", "training.min_steps=3", "training.minutes=2"])
    assert (recipe.training.epochs, recipe.training.steps, recipe.training.min_steps) == (7, None, 3)
    assert change(recipe, ["training.epochs=9"]).training.minutes == 2
    steps = change(recipe, ["training.steps=9"]).training
    assert (steps.minutes, steps.epochs) == (None, None)
    fitted = recipe.model_copy(update={"training": recipe.training.model_copy(update={"steps": 50})})
    assert change(fitted, ["training.minutes=null"]).training.steps == 50
    for nothing in ("null", "~"):
        kept = change(recipe, [f"training.steps={nothing}"]).training
        assert (kept.epochs, kept.min_steps, kept.minutes) == (7, 3, 2)
        assert change(fitted, [f"training.epochs={nothing}"]).training.steps == 50
    with pytest.raises(InputError, match="epochs, steps or minutes must be given"):
        change(text_recipe(texts), ["training.steps=null"])


def test_a_timed_run_has_the_bits_of_a_run_of_its_steps(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(costs_module, "_MOST_STEPS", 4)  # the trial itself is a real one
    changes = ["training.ema=0.9", "training.optimizer={name: muon}", "training.schedules.sampled.from=2"]
    recipe = change(_timed(texts, 600, epochs=2), changes)
    with caplog.at_level(logging.INFO, logger="sampleformer"):
        timed = train(recipe, tmp_path / "timed", quiet=True)
    assert any("600 minutes: 12 steps of" in message for message in caplog.messages)
    kept = yaml.safe_load(timed.config.read_text())["training"]
    assert (kept["minutes"], kept["steps"], kept["epochs"]) == (600, 12, 2)
    same = recipe.model_copy(update={"training": recipe.training.model_copy(update={"steps": 12, "minutes": None})})
    plain = train(same, tmp_path / "plain", quiet=True)
    weights = [read_checkpoint(folder.last_checkpoint)["state_dict"] for folder in (timed, plain)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert timed.test_predictions.read_bytes() == plain.test_predictions.read_bytes()


def test_a_stopped_training_goes_on_with_the_steps_that_were_fitted(
    texts: Path, tmp_path: Path, costs: Callable[..., None], clock: Clock
) -> None:
    costs(step=0.1)
    recipe = _timed(texts, 0.05)
    whole = train(recipe, tmp_path / "whole", quiet=True)
    expected = whole.read_recipe().training.steps
    assert expected is not None
    assert expected > 15
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "stopped", quiet=True, callbacks=[StopAt(9)])
    costs(step=0.2)  # a slower machine, which is not asked
    for asked in (recipe, RunFolder(tmp_path / "stopped").read_recipe()):
        resumed = train(asked, tmp_path / "stopped", resume=True, quiet=True)
    assert resumed.read_recipe().training.steps == expected
    assert read_checkpoint(resumed.last_checkpoint)["global_step"] == expected
    assert resumed.test_predictions.read_bytes() == whole.test_predictions.read_bytes()
    other = change(recipe, ["training.minutes=1"])
    with pytest.raises(InputError, match="training.minutes: 1.0 was asked for, but the run was started with 0.05"):
        train(other, resumed.path, resume=True)


def test_a_run_that_becomes_slower_ends_in_time_with_the_best_weights(
    texts: Path, tmp_path: Path, costs: Callable[..., None], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    costs(step=0.1, check=0.2, scoring=0.4)
    recipe = _timed(texts, 0.1)  # 6 s; of 60 steps at most
    with caplog.at_level(logging.INFO, logger="sampleformer"):
        folder = train(recipe, tmp_path / "slow", quiet=True, callbacks=[Slow(clock, step=0.5, check=0.2)])
    results = folder.read_results()
    assert results is not None
    last = results["last"]["step"]
    fitted = folder.read_recipe().training.steps
    assert fitted is not None
    assert last < fitted
    assert 0.5 * last + 0.2 * (last // 4 + 1) + 0.4 <= 6
    assert f"step {last}: the time is up, the training ends (training.minutes)" in caplog.messages
    assert results["last"]["valid"].keys() == results["best"]["valid"].keys()  # a check came first
    assert results["best"]["step"] <= last
    folder.results.unlink()  # as if it was killed before the test part was scored
    again = train(recipe, folder.path, resume=True, quiet=True).read_results()
    assert again is not None
    assert (again["last"]["step"], again["best"]) == (last, results["best"])


def test_the_time_may_end_where_a_row_of_metrics_would_be(
    texts: Path, tmp_path: Path, costs: Callable[..., None], clock: Clock
) -> None:
    costs(step=0.05, check=0.0, scoring=0.0)
    recipe = _timed(texts, 0.1, check_every=100)
    folder = train(recipe, tmp_path / "slow", quiet=True, callbacks=[Slow(clock, step=0.119, check=0.0)])
    assert read_checkpoint(folder.last_checkpoint)["global_step"] == 50
    assert len(folder.metrics.read_text().splitlines()) == 2
