"""Comparisons: what is trained on what, how it is judged, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sampleformer.compare import SIMPLE_MODELS, SimpleModel, Trial, comparison, feature_models, networks
from sampleformer.compare.feature_models import Words
from sampleformer.compare.floor import Floor
from sampleformer.compare.learners import Linear, RandomForest
from sampleformer.compare.networks import Ours
from sampleformer.compare.simple_model import Conditions, OutOfTime, Stopwatch
from sampleformer.compare.simple_models import suited_models
from sampleformer.data import SOURCES
from sampleformer.errors import InputError
from sampleformer.models.fitted.columns import Columns
from sampleformer.settings import Component
from sampleformer.training import RunFolder
from sampleformer.training.outputs import known_targets
from sampleformer.training.score_terms import SCORE_TERMS
from tests.compare.small import compared, scores, small_recipe, write_molecules, write_reviews
from tests.data.graph.small import write_many, write_one
from tests.data.point_cloud.small import write_parts
from tests.training.small import write_clouds, write_csv, write_numbers


@pytest.fixture(autouse=True)
def in_less_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small forests, and runs without the report that the tests of the command line look at."""
    monkeypatch.setattr(RandomForest, "trees", 20)
    monkeypatch.setattr(networks, "write_report", lambda path, **options: None)


def texts(folder: Path, **data: Any) -> dict[str, Any]:
    path = write_reviews(folder / "reviews.csv")
    return {"name": "text", "path": str(path), "text": "review", "label": "liked", "tokens": "words"} | data


def test_texts(tmp_path: Path) -> None:
    results = compared(tmp_path, small_recipe(texts(tmp_path)), simple=["words", "bag"])
    assert (results["kind"], results["metric"], results["standard_error"]) == ("texts", "accuracy", "test rows")
    assert [each["role"] for each in results["models"]] == ["ours", "floor", "simple", "simple"]
    assert results["rows"] == {"train": 48, "valid": 6, "test": 6}
    found = scores(results)
    assert found["words"] == 1.0
    assert found["floor"] == 0.5
    assert results["verdict"]["best_simple"] == "words"
    assert results["verdict"]["difference"] == pytest.approx(found["sampleformer"] - 1)
    assert "6 labels" in results["verdict"]["notes"][0]
    out = tmp_path / "out"
    assert json.loads((out / "compare.json").read_text())["verdict"] == results["verdict"]
    assert (out / "compare.html").stat().st_size > 10_000
    for name in ("sampleformer-0", "bag-0"):
        run = RunFolder(out / "runs" / name)
        tested = run.read_results()["best"]["test"]["accuracy"]  # type: ignore[index]
        assert tested == found[name.removesuffix("-0")]


def test_numbers_of_texts_with_seeds(tmp_path: Path) -> None:
    data = texts(tmp_path, label="stars", task="regression")
    results = compared(tmp_path, small_recipe(data), simple=["words"], seeds=2)
    assert (results["metric"], results["standard_error"], results["seeds"]) == ("mae", "seeds", [0, 1])
    ours, floor, words = results["models"]
    assert len(ours["test_of_seeds"]) == len(ours["runs"]) == 2
    assert ours["test_of_seeds"][0] != ours["test_of_seeds"][1]
    assert ours["standard_error"] == pytest.approx(np.std(ours["test_of_seeds"], ddof=1) / np.sqrt(2))
    assert len(words["test_of_seeds"]) == 1
    assert words["standard_error"] == 0
    assert floor["test"]["mae"] == pytest.approx(1.25)
    assert words["test"]["mae"] < 0.3
    assert results["verdict"]["use"] == "simple"


def test_the_floor_knows_the_training_part_alone(tmp_path: Path) -> None:
    data = {"name": "numbers", "path": str(write_numbers(tmp_path / "n.csv")), "label": "price", "seed": 5}
    recipe = small_recipe(data)
    results = compared(tmp_path, recipe, simple=["linear"])
    splits = recipe.data.build(SOURCES, "data").load()
    train, test = (
        np.array(splits.encoding.task.decode(part.targets)["price"])  # type: ignore[arg-type]
        for part in (splits.train, splits.test)
    )
    assert scores(results)["floor"] == pytest.approx(np.abs(test - train.mean()).mean(), rel=1e-5)
    assert scores(results)["linear"] < 10  # the price is a line in the numbers, in tens of thousands


@pytest.mark.parametrize(
    ("label", "metric", "best"),
    [("active", "accuracy", 1.0), (["active", "other"], "average_precision", 0.5), ("mass", "mae", 40)],
)
def test_molecules_with_gaps(tmp_path: Path, label: str | list[str], metric: str, best: float) -> None:
    path = write_molecules(tmp_path / "m.csv")
    task = "regression" if label == "mass" else None
    data = {"name": "smiles", "path": str(path), "smiles": "smiles", "label": label, "task": task}
    names = ["fingerprint-trees", "fingerprint-linear", "fingerprint-boosting"]
    results = compared(tmp_path, small_recipe(data, "graph"), simple=names)
    assert (results["kind"], results["metric"]) == ("molecules", metric)
    found = scores(results)
    for name in names:
        assert found[name] <= best if metric == "mae" else found[name] >= best


@pytest.mark.parametrize(
    ("label", "level", "names"),
    [
        ("active", "sample", ["graph-statistics"]),
        ("group", "token", ["neighbour-means"]),
        ("link", "pair", ["common-neighbours"]),
    ],
)
def test_graphs_of_every_level(tmp_path: Path, label: str, level: str, names: list[str]) -> None:
    folder = (write_many if label == "active" else write_one)(tmp_path / "mine")
    results = compared(tmp_path, small_recipe({"name": "graphs", "path": str(folder), "label": label}, "graph"))
    trained = [each["name"] for each in results["models"] if each["role"] == "simple"]
    assert trained == names + (["gin"] if level != "pair" else [])
    found = scores(results)
    assert found[names[0]] >= found["floor"]
    if label == "active":
        assert found["graph-statistics"] == 1.0  # a ring is a count of degrees


def test_clouds(tmp_path: Path) -> None:
    recipe = write_clouds(tmp_path)
    results = compared(tmp_path, recipe, simple=["shape-statistics"])
    assert scores(results)["shape-statistics"] == 1.0


def test_points_of_clouds(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "parts", each=12)
    data = {"name": "clouds", "path": str(folder), "label": "labels", "points": 16, "stored": 32}
    results = compared(tmp_path, small_recipe(data, "point_cloud"))
    assert results["metric"] == "instance_miou"
    assert [each["name"] for each in results["models"]] == ["sampleformer", "floor", "point-statistics"]
    assert scores(results)["point-statistics"] > scores(results)["floor"]


def test_codes_of_equal_length(tmp_path: Path) -> None:
    rows = [[row % 3, row % 2 * 5, row % 4, "ab"[row % 2]] for row in range(60)]
    path = write_csv(tmp_path / "codes.csv", ["x", "y", "z", "kind"], rows)
    data = {"name": "numbers", "path": str(path), "label": "kind", "values": "codes", "maximum": 9}
    results = compared(tmp_path, small_recipe(data), simple=["codes", "linear", "boosting"])
    assert results["kind"] == "codes"
    assert {name: score for name, score in scores(results).items() if name != "sampleformer"} == {
        "floor": 0.5,
        "codes": 1.0,
        "linear": 1.0,
        "boosting": 1.0,
    }


@pytest.mark.parametrize("term", SCORE_TERMS)
def test_what_only_our_model_has_is_not_asked_of_others(term: str, tmp_path: Path) -> None:
    recipe = small_recipe(texts(tmp_path), **{term: 0.1})
    assert scores(compared(tmp_path, recipe, simple=["bag"])).keys() == {"sampleformer", "floor", "bag"}


def test_all_are_chosen_by_the_loss_of_the_recipe(tmp_path: Path) -> None:
    recipe = small_recipe(texts(tmp_path, label="stars"), loss={"name": "huber", "delta": 0.1}, selected_by="loss")
    splits = recipe.data.build(SOURCES, "data").load()
    trial = Floor().train(Conditions(splits, recipe, "loss", tmp_path), 0)
    targets = torch.from_numpy(known_targets(splits.valid))
    outputs = torch.full_like(targets, float(known_targets(splits.train).mean()))
    assert trial.valid["loss"] == pytest.approx(float(F.huber_loss(outputs, targets, delta=0.1)), rel=1e-5)


def test_the_training_of_a_simple_network(tmp_path: Path) -> None:
    ours = small_recipe(texts(tmp_path), optimizer="muon", learning_rate=0.02, epochs=3, min_steps=1)
    plain = networks.Gin().recipe(ours)
    assert (plain.model.name, plain.training.optimizer.name, plain.training.learning_rate) == ("gin", "adamw", 0.001)
    assert (plain.training.epochs, plain.training.steps, plain.training.min_steps) == (12, 8, 4)
    assert networks.Bag().recipe(small_recipe(texts(tmp_path), learning_rate=0.02)).training.learning_rate == 0.02


def test_a_model_that_cannot_learn_says_why(tmp_path: Path) -> None:
    rows = [[f"{chr(97 + row % 26)}{row}", "ab"[row % 2]] for row in range(60)]
    path = write_csv(tmp_path / "t.csv", ["review", "liked"], rows)
    results = compared(tmp_path, small_recipe(texts(tmp_path, path=str(path), tokens="bytes")), simple=["words"])
    assert results["models"][-1]["reason"] == "no word is in two texts of the training part"
    assert "no simple model could be trained" in results["verdict"]["sentence"] or results["verdict"]["use"] == "none"
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "no word is in two texts of the training part" in page


def test_columns_of_the_table_go_to_simple_models_too(tmp_path: Path) -> None:
    rows = [["the film was long", row % 2 * 3.5 + row % 3, "yes" if row % 2 else "no"] for row in range(60)]
    path = write_csv(tmp_path / "t.csv", ["review", "hours", "liked"], rows)
    recipe = small_recipe(texts(tmp_path, path=str(path)))
    described = recipe.model_copy(update={"descriptors": (Component(name="columns", columns=["hours"]),)})
    results = compared(tmp_path, described, simple=["words", "bag", "mlp"])
    assert [each["reason"] for each in results["models"]] == [None] * 5
    assert scores(results)["words"] == 1.0  # the text is the same for all
    with pytest.raises(InputError, match="--simple: 'mlp' does not suit the data: it is for tokens with descriptors"):
        compared(tmp_path / "plain", recipe, simple=["mlp"])


class Forgetful(SimpleModel):
    """A model of a user."""

    name = "forgetful"
    title = "a forgetful model"
    sees = "nothing"
    kinds = ("texts",)

    def train(self, conditions: Conditions, seed: int) -> Trial:
        """Has learnt nothing."""
        raise InputError("it forgot everything")


def test_a_model_of_ones_own_by_its_import_path(tmp_path: Path) -> None:
    results = compared(tmp_path, small_recipe(texts(tmp_path)), simple=["tests.compare.test_comparison.Forgetful"])
    assert (results["models"][-1]["name"], results["models"][-1]["reason"]) == ("forgetful", "it forgot everything")


class Broken(SimpleModel):
    """A model of a user that fails in a way that nobody has foreseen."""

    name = "broken"
    title = "a broken model"
    sees = "nothing"
    kinds = ("texts",)
    error: BaseException

    def train(self, conditions: Conditions, seed: int) -> Trial:
        """Fails."""
        raise self.error


BROKEN = "tests.compare.test_comparison.Broken"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("found NaN,\nexpected none"), "ValueError: found NaN, expected none"),
        (RuntimeError("mat1 and mat2"), "RuntimeError: mat1 and mat2"),
        (np.linalg.LinAlgError("Singular matrix"), "LinAlgError: Singular matrix"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_simple_model_that_fails_costs_no_other(
    error: Exception, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Broken, "error", error, raising=False)
    results = compared(tmp_path, small_recipe(texts(tmp_path)), simple=[BROKEN, "words"])
    assert [(each["name"], each["reason"]) for each in results["models"]] == [
        ("sampleformer", None),
        ("floor", None),
        ("broken", reason),
        ("words", None),
    ]
    assert f"a broken model: {reason}" in caplog.messages
    assert json.loads((tmp_path / "out" / "compare.json").read_text())["models"] == results["models"]
    assert reason in (tmp_path / "out" / "compare.html").read_text()


def test_an_interruption_and_what_fails_in_our_model_end_the_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small_recipe(texts(tmp_path))
    monkeypatch.setattr(Broken, "error", KeyboardInterrupt(), raising=False)
    with pytest.raises(KeyboardInterrupt):
        compared(tmp_path / "stopped", recipe, simple=[BROKEN])
    monkeypatch.setattr(Broken, "error", ValueError("of ours"))
    monkeypatch.setattr(Ours, "train", Broken.train)
    monkeypatch.setattr(Ours, "error", Broken.error, raising=False)
    with pytest.raises(ValueError, match="of ours"):
        compared(tmp_path / "ours", recipe, simple=["words"])


def test_time_that_is_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small_recipe(texts(tmp_path))
    splits = recipe.data.build(SOURCES, "data").load()
    conditions = Conditions(splits, recipe, "accuracy", tmp_path, minutes=0.0)
    with pytest.raises(OutOfTime, match="its 0 min were used up"):
        Words().train(conditions, 0)
    monkeypatch.setattr(Stopwatch, "check", lambda self: None)
    stopped = Words().train(conditions, 0)
    assert stopped.chosen == f"C = {Linear.strengths[0]:g}, when its time was used up"


@pytest.mark.parametrize(("minutes", "seconds", "expected"), [(None, 600.0, 10.0), (None, 5.0, 1.0), (3.0, 600.0, 3.0)])
def test_what_is_fitted_has_the_time_of_ours(
    minutes: float | None, seconds: float, expected: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small_recipe(texts(tmp_path))
    conditions = Conditions(recipe.data.build(SOURCES, "data").load(), recipe, "accuracy", tmp_path, minutes=minutes)
    given = []

    def train(self: SimpleModel, conditions: Conditions, seed: int) -> Trial:
        given.append((self.name, conditions.minutes))
        return Trial(None, {}, {}, seconds, seconds)  # type: ignore[arg-type]

    for kind in (Ours, Words):
        monkeypatch.setattr(kind, "train", train)
    comparison._trained(recipe, [Words], conditions, seeds=1)
    assert given == [("sampleformer", minutes), ("words", expected)]


def test_of_very_many_rows_some_are_learnt_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small_recipe(texts(tmp_path))
    splits = recipe.data.build(SOURCES, "data").load()
    learnt = []
    fitted = Columns.fitted
    monkeypatch.setattr(
        Columns, "fitted", lambda self, *rest: (learnt.append(self.targets.shape), fitted(self, *rest))[1]
    )
    monkeypatch.setattr(feature_models, "MOST_ROWS", 30)
    trial = Words().train(Conditions(splits, recipe, "accuracy", tmp_path), 0)
    assert set(learnt) == {(30, 1)}
    assert trial.test["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("ours", "tokens", "names"),
    [
        ("transformer", "words", ["floor", "words", "bag"]),
        ("bag", "words", ["floor", "words"]),  # ours is not compared with itself
        ("transformer", "bytes", ["floor", "words", "codes", "bag"]),
    ],
)
def test_what_suits_texts(tmp_path: Path, ours: str, tokens: str, names: list[str]) -> None:
    splits = small_recipe(texts(tmp_path, tokens=tokens)).data.build(SOURCES, "data").load()
    assert [each.name for each in suited_models(None, ours, "texts", splits)] == names


def test_numbers_are_made_once_and_their_time_counts_for_each(tmp_path: Path) -> None:
    recipe = small_recipe(texts(tmp_path))
    splits = recipe.data.build(SOURCES, "data").load()
    conditions = Conditions(splits, recipe, "accuracy", tmp_path)
    Words().train(conditions, 0)
    parts, _ = conditions.made[Words.features]
    conditions.made[Words.features] = parts, (100.0, 50.0)
    again = Words().train(conditions, 0)
    assert (again.seconds > 100, again.cpu_seconds > 50) == (True, True)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (
            {},
            {"simple": ["wrods"]},
            "^--simple: unknown name 'wrods'; did you mean 'words'\\? allowed: bag, ",
        ),
        (
            {},
            {"simple": ["gin"]},
            "^--simple: 'gin' does not suit the data: it is for molecules and graphs, and ",
        ),
        ({}, {"simple": ["linear"]}, "^--simple: 'linear' does not suit the data: .*; expected one of floor, words, "),
        ({}, {"seeds": 0}, "^--seeds: found 0, expected at least 1$"),
        (
            {"task": "masked", "label": None},
            {},
            "^data.task: found 'masked.*', which makes targets of the ",
        ),
    ],
)
def test_what_does_not_fit(tmp_path: Path, data: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        compared(tmp_path, small_recipe(texts(tmp_path, **data)), **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="out: exists already and is never overwritten"):
        compared(tmp_path, small_recipe(texts(tmp_path)))


def test_the_line_that_installs_scikit_learn_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(InputError, match=r"^this needs the package sklearn: pip install \"sampleformer\[train\]\"$"):
        compared(tmp_path, small_recipe(texts(tmp_path)))
    assert not (tmp_path / "out").exists()


def test_every_simple_model_says_what_it_is() -> None:
    for name, each in SIMPLE_MODELS.items():
        assert each.name == name
        assert each.sees
        assert each.title == each().title
