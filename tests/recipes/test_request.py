"""Tests of the way from what a user asks for to a recipe."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sampleformer.errors import InputError
from sampleformer.recipes import load, request

TEXT = {"path": "reviews.csv.gz", "text": "review", "label": "sentiment"}


def test_a_table_of_texts() -> None:
    recipe = request(None, data=TEXT | {"tokens": None, "numbers": None})
    assert recipe.name == "reviews"
    assert recipe.data.model_dump() == {"name": "text", "tokens": "words", "max_vocabulary": 50000, **TEXT}
    assert recipe.model == load("texts").model


def test_a_model_that_is_named_stands_alone() -> None:
    asked = {"path": "m.csv", "smiles": "smiles", "label": "active"}
    assert [each.name for each in request(None, data=asked).blend] == ["linear", "forest", "kernel"]
    assert request(None, data=asked, model="gin").blend == ()
    kept = request(None, data=asked, model="mlp", changes=["blend=[forest]"])
    assert [each.name for each in kept.blend] == ["forest"]


def test_a_table_of_numbers() -> None:
    recipe = request(None, data={"path": "a/houses.csv", "numbers": True, "label": "price"})
    assert recipe.name == "houses"
    assert recipe.data.model_dump() == {"name": "numbers", "path": "a/houses.csv", "label": "price"}
    assert recipe.model == load("numbers").model
    columns = request(None, data={"path": "houses.csv", "columns": ["a", "b"], "label": "price"}).data
    assert columns.model_dump() == {"name": "numbers", "path": "houses.csv", "label": "price", "columns": ["a", "b"]}


def test_graphs_are_seen(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "edges.csv.gz").write_bytes(b"")
    path = str(tmp_path / "mine")
    recipe = request(None, data={"path": path, "label": "link"})
    assert recipe.name == "mine"
    assert recipe.model == load("graphs").model
    asked = {"name": "graphs", "identifiers": 32, "random_walk": 16, "path": path, "label": "link"}
    assert recipe.data.model_dump() == asked
    columns = request(None, data={"path": path, "columns": ["mass"], "label": "link"}).data
    assert columns.model_dump() == asked | {"columns": ["mass"]}
    for name in ("graphs.npz", "graphs.pt"):
        assert request(None, data={"path": name, "label": "y"}).data.name == "graphs"


def test_graphs_are_named() -> None:
    recipe = request(None, data={"edges": "a/bonds.csv", "nodes": "atoms.csv", "label": "kind"})
    assert (recipe.name, recipe.data.name) == ("bonds", "graphs")
    assert request("graphs", data={"path": "g", "columns": ["a"]}).data.name == "graphs"
    assert request("mutag", data={"path": "MUTAG.zip"}).data.name == "tu"


def test_names_are_taken_as_they_are() -> None:
    recipe = request(None, data={"path": "2024", "text": "yes", "label": "1e3"})
    asked = {"path": "2024", "text": "yes", "label": "1e3"}
    assert recipe.data.model_dump() == {"name": "text", "tokens": "words", "max_vocabulary": 50000, **asked}


@pytest.mark.parametrize(
    ("file", "name"),
    [("a.b.csv", "a"), ("a" * 240 + ".csv", "a" * 60), ("a\\b\nc.csv", "a-b-c"), (".csv", "texts"), ("/x/a.csv", "a")],
)
def test_a_run_is_called_by_its_file(file: str, name: str) -> None:
    assert request(None, data={"path": file, "text": "a", "label": "b"}).name == name


def test_a_path_for_a_recipe_with_data_of_its_own() -> None:
    recipe = request("imdb", data={"path": "aclImdb_v1.tar.gz"})
    assert recipe.data.model_dump() == {
        "name": "imdb",
        "tokens": "bytes",
        "max_length": 4096,
        "path": "aclImdb_v1.tar.gz",
    }


def test_another_table_for_the_model_of_a_recipe() -> None:
    recipe = request("imdb", data=TEXT)
    assert recipe.data.model_dump() == {"name": "text", "tokens": "bytes", "max_length": 4096, **TEXT}
    assert recipe.model == load("imdb").model
    assert recipe.training == load("imdb").training
    longer = request("imdb", data=TEXT | {"max_length": 9})
    assert longer.data.arguments["max_length"] == 9


def test_flags_then_changes() -> None:
    recipe = request("digits", epochs=3, seed=5, attention="full", changes=["training.epochs=4"])
    assert (recipe.training.epochs, recipe.seed, recipe.model.attention.name) == (4, 5, "full")
    assert request("digits", steps=9).training.steps == 9
    timed = request("texts", data={"path": "a.csv"}, minutes=2.5).training
    assert (timed.minutes, timed.steps, timed.min_steps) == (2.5, None, load("texts").training.min_steps)
    assert timed.epochs == load("texts").training.epochs


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"recipe": None},
            "expected a recipe (bbbp, cifar10, clouds-invariant, coco-sp, digits, digits-annealed, esol, imdb, ",
        ),
        (
            {"recipe": None, "data": {"path": __file__}},
            "--data: expected --text COLUMN for a table of texts, --smiles COLUMN for a table of molecules, --cloud",
        ),
        ({"recipe": None, "data": {"path": "a.csv"}}, "a.csv: no such file or folder"),
        ({"recipe": None, "data": TEXT | {"numbers": True}}, "--text COLUMN and --numbers: expected one kind"),
        ({"recipe": "digits", "epochs": 1, "steps": 1}, "--epochs and --steps: expected one of them, got both"),
        ({"recipe": "digits", "minutes": 1, "steps": 1}, "--steps and --minutes: expected one of them, got both"),
        ({"recipe": "digits", "epochs": 1, "minutes": 1}, "--epochs and --minutes: expected one of them, got both"),
        ({"recipe": "digits", "minutes": -0.5}, "training.minutes: input should be greater than 0, got -0.5"),
        ({"recipe": "digits", "minutes": float("nan")}, "training.minutes: input should be "),
        ({"recipe": "digits", "epochs": 0}, "training.epochs: input should be greater than or equal to 1, got 0"),
        ({"recipe": "digit"}, "unknown recipe 'digit'; did you mean 'digits'?"),
    ],
)
def test_what_cannot_be(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        request(**asked)
    assert str(raised.value).startswith(message)


def test_a_recipe_for_folders_of_clouds_serves_files_of_arrays_too(tmp_path: Path) -> None:
    path = tmp_path / "clouds.npz"
    np.savez(path, points=np.zeros((2, 5, 3), np.float32), label=np.array([0, 1]))
    data = request("clouds-invariant", data={"path": str(path)}).data
    assert (data.name, data.arguments["path"]) == ("cloud_arrays", str(path))
    assert data.arguments["evaluation_rotation"] == "so3"
