"""The study of estimators: what it writes and goes on with, prints, draws and refuses."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

from sampleformer.attention.samplers.estimators import ESTIMATORS
from sampleformer.bench import estimator_study
from sampleformer.bench.estimator_bias import SIZES
from sampleformer.bench.estimator_file import StudyFile
from sampleformer.bench.estimator_recipe import variant_recipe
from sampleformer.bench.estimator_settings import EstimatorSettings
from sampleformer.bench.estimator_table import study_blocks
from sampleformer.bench.estimator_variants import ADDITIONS, Variant, default_variants
from sampleformer.bench.estimators import add_arguments, run
from sampleformer.bench.seeds import Mean
from sampleformer.errors import InputError
from tests.cli.program import refused, run_program

TINY = ["--quick", "--lengths", "40", "--steps", "2", "--draws", "100", "--recipe-steps", "2"]
TWO = ["--estimators", "hard,score_function+widened,full"]
BIAS = (
    "estimator n k seed draws draws_per_estimate forward exact own spread noisy_loss set_loss evaluation_loss "
    "loss_spread set_z"
)


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(list(options))


def test_the_real_program(tmp_path: Path) -> None:
    options = [*TINY, *TWO, "--json", "a.json", "--plot", "a.png"]
    done = run_program(tmp_path, ["bench", "estimators", *options])
    assert done.returncode == 0, done.stderr
    for text in ("n = 8, k = 4, 100 draws", "n = 40, 2 steps", "digits, k = 8, 2 steps", "score_function+widened", "▲"):
        assert text in done.stdout
    told = done.stderr.splitlines()  # the trainings are silent
    assert [line for line in told if not line.startswith("plain functions in place of Triton kernels")] == []
    assert len(told) <= 1
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["command"][1:3] == ["bench", "estimators"]
    assert found["machine"]["cores"] >= 1
    assert [(c["n"], c["k"], c["estimator"], c["seed"]) for c in found["bias"]] == [
        (n, k, name, seed) for n, k in SIZES for name in ("hard", "score_function") for seed in (0, 1)
    ]
    assert [(c["seed"], c["variant"]) for c in found["task"]] == [
        (seed, name) for seed in (0, 1) for name in ("hard", "score_function+widened", "full")
    ]
    for cell in found["bias"]:
        assert list(cell) == BIAS.split()
        assert list(cell["exact"]) == list(cell["own"]) == ["bias", "chance", "cosine"]
    for cell in found["task"]:
        assert list(cell) == ["variant", "n", "seed", "steps", "seconds", "curve"]
        assert [list(point) for point in cell["curve"]] == [["step", "accuracy", "noisy_accuracy", "found"]] * 2
    for cell in found["recipe"]:
        assert list(cell) == ["variant", "recipe", "sampled", "seed", "steps", "score", "best", "last", "seconds"]
        assert (cell["score"], cell["steps"]) == ("accuracy", 2)
        assert 0 <= cell["last"] <= 1


def test_a_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int]] = []

    def train(variant: Variant, length: int, seed: int, steps: int) -> dict[str, Any]:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append((variant.name, seed))
        point = {"step": steps, "accuracy": 0.5, "noisy_accuracy": 0.25, "found": 1.0}
        key = {"variant": variant.name, "n": length, "seed": seed, "steps": steps}
        return {**key, "seconds": 1.0, "curve": [point]}

    monkeypatch.setattr(estimator_study, "train_task", train)
    options = ["--parts", "task", *TINY, "--estimators", "hard,full", "--json", str(tmp_path / "a.json")]
    with pytest.raises(KeyboardInterrupt):
        run(parse(*options))
    assert len(json.loads((tmp_path / "a.json").read_text())["task"]) == 3
    del made[:2]
    run(parse(*options))
    assert made == [("hard", 1), ("full", 1)]
    del made[:]
    run(parse(*options))
    assert made == []
    run(parse(*options, "--estimators", "soft,hard"))  # more of the same file
    assert made == [("soft", 0), ("soft", 1)]
    del made[:]
    run(parse(*options, "--steps", "3", "--estimators", "hard"))  # other trainings, beside the old ones
    assert made == [("hard", 0), ("hard", 1)]
    assert len(json.loads((tmp_path / "a.json").read_text())["task"]) == 8


def test_cells_come_back_in_the_order_asked_for() -> None:
    found = StudyFile()
    for seed in (1, 0):
        for variant in ("b", "a"):
            key = {"variant": variant, "n": 8, "seed": seed, "steps": 1}
            found.cell("task", key, lambda key=key: key)  # type: ignore[misc]
    asked = found.asked("task", variant=["a", "b"], seed=range(2))
    assert [(cell["variant"], cell["seed"]) for cell in asked] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"bias": [], "task": [{"n": 1}], "recipe": []}'])
def test_another_file_is_left_alone(content: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(InputError, match="other.json is not a file of bench estimators, expected one to go on with"):
        StudyFile(path)
    assert path.read_text() == content


def test_means_and_what_is_beyond() -> None:
    found = Mean.of([1.0, 2.0, 3.0])
    assert (found.mean, found.error) == (2.0, pytest.approx(1 / math.sqrt(3)))
    assert Mean(1.0, 0.0).beyond(Mean(0.5, 0.0)) == math.inf
    assert Mean(1.0, 0.0).beyond(Mean(1.0, 0.0)) == 0
    assert Mean(0.5, 0.03).beyond(Mean(0.8, 0.04)) == -6
    assert math.isnan(Mean.of([1.0]).error)


@pytest.mark.parametrize("order", ["hard soft gated full", "full soft hard gated"])
def test_only_what_is_beyond_two_standard_errors_is_marked(order: str) -> None:
    names = order.replace(" ", ",")
    settings = EstimatorSettings.read(parse("--quick", "--parts", "task", "--estimators", names))
    found = StudyFile()
    for name, values in {"hard": (0.4, 0.6), "soft": (0.7, 0.75), "gated": (0.6, 0.9), "full": (0.1, 0.2)}.items():
        for seed, value in enumerate(values):
            point = {"step": 40, "accuracy": value, "noisy_accuracy": value, "found": 1.0}
            key = {"variant": name, "n": 128, "seed": seed, "steps": 40}
            found.cell("task", key, lambda key=key, point=point: {**key, "seconds": 1.0, "curve": [point]})  # type: ignore[misc]
    (table,) = [block for block in study_blocks(settings, found) if isinstance(block, Table)]
    cells = dict(zip(table.columns[0].cells, table.columns[1].cells, strict=True))
    assert list(cells) == order.split()
    assert cells == {
        "hard": "0.500 ± 0.100  ",
        "soft": "0.725 ± 0.025 ▲",
        "gated": "0.750 ± 0.150  ",
        "full": "0.150 ± 0.050  ",
    }


def test_every_registered_estimator_is_compared() -> None:
    names = [variant.name for variant in default_variants()]
    estimators = ["detached+mass" if name == "detached" else name for name in ESTIMATORS]
    assert names == [*estimators, *(f"hard+{name}" for name in ADDITIONS), "full"]


def test_variants_in_a_recipe() -> None:
    def settings(name: str):
        return variant_recipe(Variant.read(name), "digits", 5, 3, 20)

    soft = settings("soft")
    assert soft.model.attention.arguments == {"sampled": 5, "choice": "soft", "noise": 1}
    assert (soft.seed, soft.training.steps, soft.training.epochs, soft.training.warmup_steps) == (3, 20, None, 2)
    assert (soft.model.local, settings("full").model.attention.name) == (None, "full")
    annealed, off, widened = (settings(f"hard+{name}").training.schedules for name in ("annealed", "off", "widened"))
    assert annealed.noise is not None and off.noise is not None and widened.sampled is not None  # noqa: PT018
    assert [annealed.noise.value(step, 20) for step in (0, 14, 19)] == [1, 0, 0]
    assert off.noise.value(0, 20) == 0
    assert [widened.sampled.count(step, 20, sampled=5, longest=64) for step in (0, 19)] == [64, 5]
    cooled = settings("hard+cooled").training.schedules.temperature
    assert cooled is not None
    assert [round(cooled.value(step, 20), 6) for step in (0, 19)] == [1, 0.1]
    assert settings("hard+entropy").training.score_entropy == 0.1
    assert settings("hard+load").training.score_load == 0.01
    assert settings("detached+mass").training.score_mass == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--estimators", "hrad"], "--estimators: 'hrad' is unknown; did you mean 'hard'?"),
        (["--estimators", "hard+of"], "--estimators: 'hard+of': 'of' is unknown; did you mean 'off'?"),
        (
            ["--estimators", "hard,score_function+annealed"],
            "--estimators: 'score_function+annealed' cannot train a recipe: training.schedules.noise: begins or ends",
        ),
        (
            ["--estimators", "score_function+cooled"],
            "--estimators: 'score_function+cooled' cannot train a recipe: training.schedules.temperature: the choice",
        ),
        (["--estimators", ","], "--estimators: nothing given, expected one or more, separated by commas"),
        (["--parts", "tasks"], "--parts: 'tasks' is unknown; did you mean 'task'?"),
        (["--lengths", "4"], "--lengths: 4, expected at least 8: so many tokens carry a code"),
        (["--seeds", "1"], "--seeds: 1, expected at least 2, to know a standard error"),
        (["--draws", "10"], "--draws: 10, expected at least 100, to know a variance"),
        (["--steps", "0"], "--steps: 0, expected at least 1"),
        (["--recipe", "digts"], "unknown recipe 'digts'; did you mean 'digits'?"),
        (["--plot", "a.jpg"], "--plot: 'a.jpg', expected a file name that ends in .png"),
        (
            ["--json", "no/such/a.json"],
            "--json: no/such/a.json: there is no folder /",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_made(
    options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimator_study, "measure_bias", lambda *given, **named: pytest.fail("measured"))
    with pytest.raises(InputError) as error:
        run(parse(*TINY, *options))
    assert str(error.value).startswith(message)


def test_a_recipe_without_a_choice_is_refused(tmp_path: Path) -> None:
    recipe = "name: other\ndata: {name: digits}\nmodel: {attention: {name: sft}}\ntraining: {steps: 2}\n"
    (tmp_path / "other.yaml").write_text(recipe)
    message = refused(tmp_path, ["bench", "estimators", "--recipe", "other.yaml", "--parts", "recipe"])
    assert message == "--recipe: the attention of other.yaml is 'sft', expected one that is 'samsa'"
