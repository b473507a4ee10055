"""Schedules of the choice: functions of the step, and what a training makes of them."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from sampleformer.errors import InputError
from sampleformer.settings import validate
from sampleformer.training import Recipe, RunFolder, TrainingSettings, train
from sampleformer.training.callbacks import memory
from sampleformer.training.choice import samplers_of
from sampleformer.training.recipe import change
from sampleformer.training.run_folder import read_checkpoint
from sampleformer.training.schedule import Schedule
from sampleformer.training.schedules import SampledSchedule, Schedules, TemperatureSchedule
from tests.training.small import text_recipe, write_texts
from tests.training.test_run import StopAt

SAMSA = {"attention": {"name": "samsa", "sampled": 3}}
SFT = {"attention": {"name": "sft", "sampled": 3}}
SOME = {"noise": {"to": 0.1, "until": 0.75}, "sampled": {"until": 0.5}}
EVERY = SOME | {"temperature": {"from": 4, "to": 0.1, "floor": 0.5}}


@pytest.mark.parametrize("until", [0.1, 0.5, 1.0])
@pytest.mark.parametrize(
    ("shape", "halfway"), [("linear", 2.5), ("cosine", 2.5), ("exponential", 2.0)], ids=lambda value: str(value)
)
def test_the_first_step_has_the_first_value_and_the_last_of_its_share_the_last(
    until: float, shape: str, halfway: float
) -> None:
    schedule = Schedule.model_validate({"from": 4.0, "to": 1.0, "until": until, "shape": shape})
    last = round(until * 1010) - 1
    values = [schedule.value(step, 1010) for step in range(1010)]
    assert values[0] == 4.0
    assert set(values[last:]) == {1.0}
    assert 1.0 not in values[:last]
    assert values == sorted(values, reverse=True)
    between = (values[last // 2] + values[(last + 1) // 2]) / 2
    assert between == pytest.approx(halfway, rel=0.02)


def test_shapes_follow_their_formulas() -> None:
    for shape, expected in (("cosine", 0.5 + 0.75 * (1 + math.cos(math.pi / 4))), ("exponential", 2 * 0.25**0.25)):
        schedule = Schedule.model_validate({"from": 2, "to": 0.5, "shape": shape})
        assert schedule.value(1, steps=5) == pytest.approx(expected)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_short_training_ends_with_the_last_value(steps: int) -> None:
    assert Schedule(from_=1, to=0, until=0.1).value(steps - 1, steps) == 0


@pytest.mark.parametrize(
    ("schedule", "counts"),
    [
        ({}, {1000, 512, 256, 128, 64, 32}),
        ({"shape": "linear"}, {1000, 512, 256, 128, 64, 32}),
        ({"from": 4}, {128, 64, 32}),
        ({"from": 0.25}, {8, 16, 32}),
        ({"from": 3, "to": 0.5}, {96, 64, 32, 16}),
        ({"from": 1}, {32}),
    ],
    ids=str,
)
def test_the_number_of_tokens_changes_in_few_steps(schedule: dict[str, Any], counts: set[int]) -> None:
    made = SampledSchedule.model_validate(schedule)
    found = [made.count(step, 500, sampled=32, longest=1000) for step in range(500)]
    assert set(found) == counts
    rising = found[0] < found[-1]
    assert found == sorted(found, reverse=not rising)
    assert found[-1] == round(32 * made.to)


def test_all_of_short_samples_is_what_the_model_takes() -> None:
    assert SampledSchedule().count(0, 9, sampled=32, longest=5) == 32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("noise.until=2", "training.schedules.noise.until: input should be less than or equal to 1, got 2"),
        ("noise.until=0", "training.schedules.noise.until: input should be greater than 0, got 0"),
        ("noise.to=-1", "training.schedules.noise.to: input should be greater than or equal to 0, got -1"),
        ("noise.from=.nan", "training.schedules.noise.from: input should be"),
        ("noise.shape=step", "training.schedules.noise.shape: input should be 'linear', 'cosine' or 'exponential'"),
        ("noise.shape=exponential", "training.schedules.noise: shape is exponential, which neither starts from 0"),
        ("noise.untill=1", "training.schedules.noise.untill: unknown setting; did you mean 'until'? allowed: from"),
        ("nois.to=1", "training.schedules.nois: unknown setting; did you mean 'noise'?"),
        ("temperature.floor=0.1", "training.schedules.temperature.to: required, but not given"),
        ("temperature={to: 1, floor: -1}", "training.schedules.temperature.floor: input should be greater than or"),
        ("temperature.to=0", "training.schedules.temperature.to: input should be greater than 0, got 0"),
        ("sampled.from=every", "training.schedules.sampled.from: expected a number above 0, or all, got 'every'"),
        ("sampled.from=0", "training.schedules.sampled.from: expected a number above 0, or all, got 0"),
        ("sampled.to=all", "training.schedules.sampled.to: input should be a valid number"),
        ("noise=0", "training.schedules.noise: input should be"),
    ],
)
def test_wrong_values_are_named(changes: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        change(text_recipe(tmp_path / "texts.csv"), [f"training.schedules.{changes}"])
    assert str(raised.value).startswith(message)


def test_a_schedule_is_written_as_it_is_read() -> None:
    values = {"steps": 1, "schedules": {"noise": {"from": 0.5}, "temperature": {"to": 0.1, "floor": 0.2}}}
    settings = validate(TrainingSettings, values)
    dumped = settings.model_dump()
    assert dumped["schedules"]["noise"] == {"from": 0.5, "to": 0.0, "until": 1.0, "shape": "linear"}
    assert validate(TrainingSettings, dumped) == settings
    assert settings.schedules.sampled is None
    assert TrainingSettings(steps=1).schedules == Schedules()


class Recorded(Callback):
    """What the samplers are told at each step, and whether a check in between sees it."""

    def __init__(self) -> None:
        self.told: dict[int, list[tuple[float, int]]] = {}

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        self.told[trainer.global_step] = [(float(s.noise_scale), s.count) for s in samplers_of(module.model)]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("texts") / "texts.csv")


def _weights(folder: RunFolder) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder.last_checkpoint)["state_dict"]


def test_every_sampler_is_told_before_each_step(texts: Path, tmp_path: Path) -> None:
    recorded = Recorded()
    recipe = text_recipe(texts, model=SFT, steps=8, schedules={"noise": {"until": 0.5}, "sampled": {"from": 2}})
    train(recipe, tmp_path / "run", quiet=True, callbacks=[recorded])
    steps = sorted(recorded.told)
    noise = [recorded.told[step][0][0] for step in steps]
    assert noise == pytest.approx([1, 2 / 3, 1 / 3, 0, 0, 0, 0, 0], abs=1e-6)
    assert [recorded.told[step][0][1] for step in steps] == [6, 6, 6, 6, 6, 6, 6, 3]
    assert all(of_layers[0] == of_layers[1] for of_layers in recorded.told.values())


@pytest.mark.parametrize(("schedule", "most"), [({"from": 4, "to": 1}, 12), ({"from": 0.5, "to": 2}, 6)])
def test_the_memory_is_told_for_the_step_that_chooses_most(
    schedule: dict[str, float], most: int, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = set()

    def saved_bytes(model: torch.nn.Module, _: Any) -> int:
        counts.update(sampler.count for sampler in samplers_of(model))
        return 1

    monkeypatch.setattr(memory, "saved_bytes", saved_bytes)
    train(text_recipe(texts, model=SFT, steps=4, schedules={"sampled": schedule}), tmp_path / "run")
    assert counts == {most}


@pytest.mark.parametrize(("model", "schedules"), [(SAMSA, EVERY), (SFT, SOME)], ids=["samsa", "sft"])
def test_a_scheduled_training_goes_on_bit_for_bit(
    texts: Path, tmp_path: Path, model: dict[str, Any], schedules: dict[str, Any]
) -> None:
    recipe = text_recipe(texts, model=model, steps=9, schedules=schedules)
    whole, output = train(recipe, tmp_path / "whole", quiet=True), tmp_path / "stopped"
    for step in (3, 6):
        with pytest.raises(KeyboardInterrupt):
            train(recipe, output, resume=output.exists(), quiet=True, callbacks=[StopAt(step)])
    resumed = _weights(train(recipe, output, resume=True, quiet=True))
    assert all(torch.equal(value, resumed[name]) for name, value in _weights(whole).items())
    plain = _weights(train(text_recipe(texts, model=model, steps=9), tmp_path / "plain", quiet=True))
    assert any(not torch.equal(value, plain[name]) for name, value in resumed.items())


@pytest.mark.parametrize(
    ("attention", "training", "message"),
    [
        ("full", {"schedules": {"noise": {}}}, r"training.schedules.noise: the attention 'full' chooses no tokens"),
        ("yoso", {"schedules": {"sampled": {}}}, r"training.schedules.sampled: the attention 'yoso' chooses no tokens"),
        ("full", {"score_load": 0.1}, r"training.score_load: the attention 'full' chooses no tokens"),
        ("sft", {"score_mass": 0.1}, r"training.score_mass: the attention 'sft' is not softmax attention over tokens"),
        (
            "sft",
            {"schedules": {"temperature": {"to": 0.1}}},
            r"training.schedules.temperature: the choice of 'sft' has no temperature",
        ),
        (
            {"name": "samsa", "choice": "score_function"},
            {"schedules": {"noise": {}}},
            r"training.schedules.noise: begins or ends at 0, but 'score_function' learns from how choices differ",
        ),
        (
            {"name": "samsa", "choice": "score_function"},
            {"schedules": {"temperature": {"to": 0.1}}},
            r"training.schedules.temperature: the choice of 'samsa' has no temperature",
        ),
    ],
)
def test_settings_of_a_choice_that_is_not_made(
    tmp_path: Path, attention: str | dict[str, Any], training: dict[str, Any], message: str
) -> None:
    attention = {"name": attention} if isinstance(attention, str) else attention
    recipe = text_recipe(tmp_path / "not-read-yet.csv", model={"attention": attention}, **training)
    with pytest.raises(InputError, match=message):
        train(recipe, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_auto_that_takes_full_attention_has_nothing_to_schedule(texts: Path, tmp_path: Path) -> None:
    recipe = text_recipe(texts, model={"attention": {"name": "auto"}}, schedules={"noise": {}})
    with pytest.raises(InputError, match=r"training.schedules.noise: the attention 'full' chooses no tokens"):
        train(recipe, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_the_floor_of_the_temperature_is_in_the_unit_of_the_model() -> None:
    schedule = TemperatureSchedule.model_validate({"to": 0.01, "floor": 0.5})
    assert (schedule.floor, schedule.value(9, 10)) == (0.5, 0.01)


def test_old_run_folders_have_no_schedules(texts: Path, tmp_path: Path) -> None:
    values = text_recipe(texts).model_dump()
    for name in ("schedules", "score_entropy", "score_load", "choice_samples"):
        del values["training"][name]
    assert Recipe.model_validate(values) == text_recipe(texts)
