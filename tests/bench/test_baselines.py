"""Baselines on the data of a recipe: what is trained on what, how it is judged, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sampleformer.bench.baseline_settings import BaselineSettings
from sampleformer.bench.baselines import train_baselines
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
    options = ["--seed", "3", "--set", "training.batch_size=8", "--json", "found.json"]
    done = run_program(tmp_path, ["bench", "baselines", *KNOWN, *options])
    assert done.returncode == 0, done.stderr
    for text in ("fingerprints", "balanced accuracy", "ECFP4", "chosen by accuracy"):
        assert text in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["recipe"], found["seed"], found["task"], found["batch_size"]) == ("molecules", 3, "classification", 8)
    assert found["command"][1:3] == ["bench", "baselines"]
    assert found["machine"]["cores"] >= 1
    assert list(found["baselines"]) == ["fingerprints"]
    for baseline in found["baselines"].values():
        for state in ("best", "last"):
            assert set(baseline[state]["test"]) == {"accuracy", "balanced_accuracy", "f1", "auroc"}
            assert set(baseline[state]["valid"]) == {"accuracy", "balanced_accuracy", "f1", "auroc", "loss"}
        assert baseline["best"]["valid"]["accuracy"] >= baseline["last"]["valid"]["accuracy"]
    trees = found["baselines"]["fingerprints"]
    assert (trees["steps"], trees["parameters"]) == (300, None)


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


@pytest.mark.parametrize(
    ("source", "data", "names", "message"),
    [
        ("small_clouds", {}, ["gun"], r"--baselines: 'gun' is unknown; "),
        (
            "small_graphs",
            {},
            ["fingerprints"],
            "--baselines: there are none for graphs, expected molecules",
        ),
        ("digits", {}, None, "there are none for sequences, expected molecules"),
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
        (["--json", "no/such/folder/a.json"], "--json: "),
        (["--baselines", "pointnet"], "--baselines: 'pointnet' is unknown; "),
        (["--baseline", "gin"], "unknown argument '--baseline'; did you mean '--baselines'?"),
    ],
)
def test_the_real_program_refuses_in_one_line(options: list[str], message: str, tmp_path: Path) -> None:
    write_molecules(tmp_path / "molecules.csv")
    quiet = ["--quiet", "--set", "data.random_walk=0"]  # no messages, and nothing for the cache
    assert message in refused(tmp_path, ["bench", "baselines", *KNOWN, *quiet, *options])
