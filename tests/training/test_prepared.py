"""Training from prepared data: that from the table, bit for bit."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback
from safetensors.numpy import load_file

from sampleformer.data import TextTable
from sampleformer.data.prepared import prepare
from sampleformer.data.prepared.manifest import MANIFEST
from sampleformer.errors import InputError
from sampleformer.recipes import request
from sampleformer.settings import Component
from sampleformer.training import Recipe, RunFolder, evaluate, predict, train
from sampleformer.training.outputs import example_targets, known_targets
from sampleformer.training.recipe import make_source
from tests.training.small import MODEL, text_recipe, write_texts


def _prepared(folder: Path) -> tuple[Recipe, Recipe]:
    """A recipe for a table, and the same one for its prepared samples."""
    recipe = text_recipe(write_texts(folder / "texts.csv"))
    prepare(make_source(recipe), folder / "prepared", data=recipe.data)
    section = Component.model_validate({"name": "prepared", "path": str(folder / "prepared")})
    return recipe, recipe.model_copy(update={"data": section})


def _weights(run: RunFolder) -> dict[str, Any]:
    return {name: value.tolist() for name, value in load_file(run.model / "model.safetensors").items()}


def test_weights_and_scores_are_those_of_the_table(tmp_path: Path) -> None:
    table, prepared = _prepared(tmp_path)
    runs = [train(recipe, tmp_path / name) for name, recipe in (("one", table), ("other", prepared))]
    assert _weights(runs[0]) == _weights(runs[1])
    results = [run.read_results() or {} for run in runs]
    assert results[0]["best"] == results[1]["best"]
    assert runs[0].test_predictions.read_text() == runs[1].test_predictions.read_text()
    assert evaluate(runs[1].path) == evaluate(runs[0].path)
    assert predict(runs[1].path, tmp_path / "texts.csv", tmp_path / "predictions.csv") == 60


def test_a_training_goes_on_from_the_same_samples(tmp_path: Path) -> None:
    _, recipe = _prepared(tmp_path)
    whole = train(recipe, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "stopped", callbacks=[_Stop()])
    (tmp_path / "there").mkdir()
    for name in ("stopped", "prepared"):  # both are moved
        shutil.move(tmp_path / name, tmp_path / "there" / name)
    stopped = train(recipe, tmp_path / "there" / "stopped", resume=True)
    assert _weights(stopped) == _weights(whole)


class _Stop(Callback):
    """Stops a training after its first check."""

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == 5:
            raise KeyboardInterrupt


def test_a_run_keeps_a_fingerprint_and_no_names(tmp_path: Path) -> None:
    _, recipe = _prepared(tmp_path)
    run = train(recipe, tmp_path / "run")
    data = json.loads(run.run_file.read_text())["data"]
    assert [part["ids"] for part in data["split"].values()] == [[], [], []]
    assert [part["samples"] for part in data["split"].values()] == [48, 6, 6]
    assert data["files"]["path"]["given"] == str(tmp_path / "prepared")


def test_other_data_at_the_same_place_is_an_error(tmp_path: Path) -> None:
    _, recipe = _prepared(tmp_path)
    run = train(recipe, tmp_path / "run")
    shutil.rmtree(tmp_path / "prepared")
    source = make_source(text_recipe(write_texts(tmp_path / "texts.csv", seed=1)))
    prepare(source, tmp_path / "prepared")
    with pytest.raises(InputError, match=f"{MANIFEST}: changed since the training: found"):
        evaluate(run.path)


def test_the_recipe_follows_from_what_was_prepared(tmp_path: Path) -> None:
    _prepared(tmp_path)
    recipe = request(None, data={"path": str(tmp_path / "prepared")}, steps=1)
    assert (recipe.name, recipe.data.name, recipe.model.name) == ("prepared", "prepared", request("texts").model.name)
    named = request("imdb", data={"path": str(tmp_path / "prepared")})
    assert named.data == recipe.data
    assert MODEL["width"] != named.model.model_dump()["width"]


def test_few_targets_are_drawn_to_see_what_they_are_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masked = TextTable(write_texts(tmp_path / "texts.csv"), "review", task="masked", tokens="bytes").load()
    whole = known_targets(masked.train)
    monkeypatch.setattr("sampleformer.training.outputs._EXAMPLES", 5)
    assert 5 <= len(example_targets(masked.train)) < len(whole)
    labelled = TextTable(tmp_path / "texts.csv", "review", "sentiment").load()
    assert example_targets(labelled.train).tolist() == known_targets(labelled.train).tolist()
