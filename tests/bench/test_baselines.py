"""Baselines on the data of a recipe: what is trained on what, how it is judged, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sampleformer.bench.baseline_settings import BaselineSettings
from sampleformer.bench.baselines import train_baselines
from sampleformer.bench.peers.cloud_part import CloudPart
from sampleformer.data import SOURCES
from sampleformer.errors import InputError
from sampleformer.recipes import request
from sampleformer.settings import Component
from sampleformer.training import TrainingSettings
from sampleformer.training.recipe import Recipe
from tests.bench import small_data
from tests.cli.program import refused, run_program
from tests.training.small import write_csv

KNOWN = ["--data", "molecules.csv", "--smiles", "smiles", "--label", "active"]


@pytest.fixture(autouse=True)
def small_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "small_clouds", small_data.SmallClouds)
    monkeypatch.setitem(SOURCES, "small_graphs", small_data.SmallGraphs)


def write_molecules(path: Path, rows: int = 40) -> None:
    """Chains of carbon, half of them with a nitrogen; their mass is in the thousands."""
    content = []
    for row in range(rows):
        active = row % 2
        content.append([f"{'C' * (1 + row % 7)}{'N' if active else 'C'}{'O' * (row % 3)}", active, 1000 + 37.5 * row])
    write_csv(path, ["smiles", "active", "mass"], content)


def train(
    source: str, names: list[str] | None = None, *, steps: int = 3, batch: int = 4, **data: Any
) -> dict[str, Any]:
    training = TrainingSettings(steps=steps, batch_size=batch, check_every=10)
    recipe = Recipe(name="small", data=Component(name=source, **data), training=training)
    return train_baselines(BaselineSettings(recipe), names, ["program"])


def test_molecules_by_the_real_program(tmp_path: Path) -> None:
    write_molecules(tmp_path / "molecules.csv")
    options = ["--steps", "12", "--seed", "3", "--set", "training.batch_size=8", "--json", "found.json"]
    done = run_program(tmp_path, ["bench", "baselines", *KNOWN, *options])
    assert done.returncode == 0, done.stderr
    for text in ("gin", "fingerprints", "balanced accuracy", "ECFP4", "chosen by accuracy"):
        assert text in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["recipe"], found["seed"], found["task"], found["batch_size"]) == ("molecules", 3, "classification", 8)
    assert found["command"][1:3] == ["bench", "baselines"]
    assert found["machine"]["cores"] >= 1
    assert list(found["baselines"]) == ["gin", "fingerprints"]
    for baseline in found["baselines"].values():
        for state in ("best", "last"):
            assert set(baseline[state]["test"]) == {"accuracy", "balanced_accuracy", "f1", "auroc"}
            assert set(baseline[state]["valid"]) == {"accuracy", "balanced_accuracy", "f1", "auroc", "loss"}
        assert baseline["best"]["valid"]["accuracy"] >= baseline["last"]["valid"]["accuracy"]
    gin, trees = found["baselines"]["gin"], found["baselines"]["fingerprints"]
    assert (gin["steps"], gin["last"]["step"], trees["steps"], trees["parameters"]) == (12, 12, 300, None)
    assert gin["best"]["step"] in (4, 8, 12)  # once a pass of 32 molecules
    assert gin["parameters"] > 1000


def test_the_split_and_the_unit_are_those_of_a_training(tmp_path: Path) -> None:
    path = tmp_path / "molecules.csv"
    write_molecules(path)
    asked = {"path": str(path), "smiles": "smiles", "label": "mass", "task": "regression", "seed": 5}
    recipe = request(None, data=asked, steps=2)
    found = train_baselines(BaselineSettings(recipe), ["fingerprints"], [])
    splits = recipe.data.build(SOURCES, "data").load()
    train, test = (
        np.array(splits.encoding.task.decode(part.targets)["mass"])  # type: ignore[arg-type]
        for part in (splits.train, splits.test)
    )
    # So few molecules are not split by any tree of scikit-learn, which takes twenty for a leaf: its answer is the mean.
    assert found["baselines"]["fingerprints"]["last"]["test"]["mae"] == pytest.approx(
        np.abs(test - train.mean()).mean(), rel=1e-5
    )
    assert found["samples"] == {"train": 32, "valid": 4, "test": 4}


def test_a_seed_gives_the_same_and_another_gives_another(tmp_path: Path) -> None:
    write_molecules(tmp_path / "molecules.csv")

    def run(seed: int) -> dict[str, Any]:
        asked = {"path": str(tmp_path / "molecules.csv"), "smiles": "smiles", "label": "active"}
        recipe = request(None, data=asked, steps=4, seed=seed)
        return train_baselines(BaselineSettings(recipe), ["gin"], [])["baselines"]["gin"]["last"]["valid"]

    assert run(1) == run(1) != run(2)


def test_clouds_are_drawn_for_training_as_for_our_models(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[small_data.SmallClouds] = []

    def make(**arguments: Any) -> small_data.SmallClouds:
        made.append(small_data.SmallClouds(**arguments))
        return made[-1]

    monkeypatch.setitem(SOURCES, "small_clouds", make)  # type: ignore[arg-type]
    found = train("small_clouds", ["pointnet"], steps=3)
    drawn = [number for _, number in made[0].inputs.asked]
    assert len(drawn) == 3 * 4
    possible = {
        float(np.random.default_rng([0, step, row]).random()) for step in range(3) for row in range(16)
    }  # as `training.batches.StepChunks` seeds it
    assert set(drawn) <= possible
    assert len(set(drawn)) == 12
    assert found["samples"] == {"train": 16, "valid": 8, "test": 8}


def test_clouds_of_unequal_sizes_repeat_their_points() -> None:
    splits = small_data.SmallClouds(unequal=True).load()
    part = CloudPart(splits.valid, 13)
    batch = part.batch([0, 1, 2])
    assert batch.points.shape == (3, 13, 3)
    assert batch.targets.tolist() == [0, 1, 0]
    for row, cloud in enumerate(batch.points.numpy()):
        own = splits.valid[row].coordinates
        assert own is not None
        assert len(own) == 12 + row % 2
        np.testing.assert_array_equal(cloud[: len(own)], own)
        np.testing.assert_array_equal(cloud[len(own) :], own[: 13 - len(own)])
    assert list(train("small_clouds", unequal=True)["baselines"]) == ["pointnet", "dgcnn"]


def test_nodes_that_carry_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_data.SmallGraphs, "said", {"features": 0, "edge_features": 0})
    whole = small_data.SmallGraphs.sample
    monkeypatch.setattr(
        small_data.SmallGraphs,
        "sample",
        lambda *given: replace(whole(*given), features=np.zeros((6, 0), np.float32)),
    )
    found = train("small_graphs", steps=150, batch=16, train=48)["baselines"]["gin"]
    assert found["best"]["test"]["accuracy"] == 1.0  # by the edges


def test_all_that_suits_the_data_is_trained() -> None:
    clouds = train("small_clouds")
    assert list(clouds["baselines"]) == ["pointnet", "dgcnn"]
    assert {baseline["sees"] for baseline in clouds["baselines"].values()} == {"coordinates"}
    assert clouds["majority_share"] == 0.5
    assert list(train("small_graphs")["baselines"]) == ["gin"]


@pytest.mark.parametrize(
    ("source", "name", "steps"),
    [("small_clouds", "pointnet", 40), ("small_clouds", "dgcnn", 40), ("small_graphs", "gin", 150)],
)
def test_what_is_easy_is_learned(source: str, name: str, steps: int) -> None:
    found = train(source, [name], steps=steps, batch=16, train=48)["baselines"][name]
    assert found["best"]["test"]["accuracy"] == 1.0


def test_the_score_that_selects_is_the_recipe_s(tmp_path: Path) -> None:
    training = TrainingSettings(steps=4, check_every=1, selected_by="loss")
    recipe = Recipe(name="small", data=Component(name="small_graphs"), training=training)
    found = train_baselines(BaselineSettings(recipe), None, [])
    assert found["selected_by"] == "loss"
    assert found["baselines"]["gin"]["best"]["valid"]["loss"] <= found["baselines"]["gin"]["last"]["valid"]["loss"]


def test_a_limit_of_time_takes_the_place_of_the_recipe_s_length() -> None:
    recipe = Recipe(name="small", data=Component(name="small_graphs"), training=TrainingSettings(epochs=1000))
    found = train_baselines(BaselineSettings(recipe, seconds=1e-9), None, [])
    assert found["baselines"]["gin"]["steps"] == 1


@pytest.mark.parametrize(
    ("source", "data", "names", "message"),
    [
        ("small_clouds", {}, ["gun"], r"--baselines: 'gun' is unknown; did you mean 'gin'\?"),
        (
            "small_clouds",
            {},
            ["pointnet", "gin"],
            "--baselines: 'gin' is for molecules and graphs, but the data are point clouds; expected pointnet or dgcnn",
        ),
        (
            "small_graphs",
            {},
            ["fingerprints"],
            "'fingerprints' is for molecules, but the data are graphs",
        ),
        ("digits", {}, None, "there are none for sequences, expected molecules, graphs or point clouds"),
        ("small_graphs", {"train": 1}, None, "data, train part: found 1 sample, expected at least 2 for baselines"),
        (
            "small_graphs",
            {"level": "token"},
            None,
            "found data with answers for each token, expected one",
        ),
    ],
)
def test_what_does_not_fit(source: str, data: dict[str, Any], names: list[str] | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        train(source, names, **data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steps", "2", "--seconds", "2"], "--steps and --seconds: expected one of them, got both"),
        (["--seconds", "0"], "--seconds: 0.0, expected more than 0"),
        (["--json", "no/such/folder/a.json"], "--json: "),
        (["--baselines", "pointnet"], "--baselines: 'pointnet' is for point clouds, but the data are molecules; "),
        (["--baseline", "gin"], "unknown argument '--baseline'; did you mean '--baselines'?"),
    ],
)
def test_the_real_program_refuses_in_one_line(options: list[str], message: str, tmp_path: Path) -> None:
    write_molecules(tmp_path / "molecules.csv")
    quiet = ["--quiet", "--set", "data.random_walk=0"]  # no messages, and nothing for the cache
    assert message in refused(tmp_path, ["bench", "baselines", *KNOWN, *quiet, *options])
