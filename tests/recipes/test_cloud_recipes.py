"""Tests of the recipes for point clouds, and of the way to them."""

from pathlib import Path

import pytest

from sampleformer import recipes
from sampleformer.errors import InputError
from sampleformer.recipes import request
from tests.data.point_cloud.small import write_shapes

SAMSA = {  # layers, width, feed-forward, heads, k, points, rate, decay, batch, epochs
    "modelnet40": (6, 256, 768, 8, 512, 1024, 2e-3, 0.1, 32, 600),
    "shapenetpart": (8, 256, 768, 16, 128, 2500, 2e-3, 0.1, 32, 600),
}


@pytest.mark.parametrize("name", SAMSA)
def test_published_settings_of_samsa(name: str) -> None:
    recipe = recipes.load(name)
    model, training = recipe.model, recipe.training
    assert SAMSA[name] == (
        model.layers,
        model.width,
        model.feedforward,
        model.heads,
        model.attention.arguments["sampled"],
        recipe.data.arguments["points"],
        training.learning_rate,
        training.weight_decay,
        training.batch_size,
        training.epochs,
    )
    assert (model.dropout, model.stochastic_depth, model.residual_scale) == (0.1, 0.1, 0.0)
    assert (training.warmup_steps, training.gradient_clip) == (2000, 2.0)
    assert (model.attention.arguments["temperature"], model.attention.arguments["choice"]) == (1.0, "hard")
    assert recipe.data.arguments["normals"]


@pytest.mark.parametrize("name", ["modelnet40-sft", "modelnet40-invariant"])
def test_published_model_of_sft(name: str) -> None:
    recipe = recipes.load(name)
    model = recipe.model
    assert (model.layers, model.width, model.heads, model.attention.arguments["sampled"]) == (8, 256, 8, 256)
    assert model.attention.name == "sft"
    assert recipe.data.arguments["points"] == 1024
    assert bool(model.embed.arguments.get("invariant")) == (name == "modelnet40-invariant")


def test_a_folder_of_classes(tmp_path: Path) -> None:
    folder = str(write_shapes(tmp_path / "shapes", each=1))
    recipe = request(None, data={"path": folder, "label": "folder"})
    assert (recipe.name, recipe.data.name) == ("shapes", "clouds")
    assert recipe.model == recipes.load("clouds").model
    assert request(None, data={"path": folder}).data.name == "clouds"
    assert request(None, data={"path": str(tmp_path / "none"), "label": "folder"}).data.name == "clouds"
    assert request("clouds-invariant", data={"path": folder, "label": "folder"}).data.arguments["points"] == 512


def test_a_table_of_paths_keeps_what_the_recipe_says_of_the_view() -> None:
    data = request(None, data={"path": "parts.csv", "cloud": "file", "label": "weight"}).data
    assert data.name == "cloud_table"
    assert data.arguments["points"] == recipes.load("clouds").data.arguments["points"]
    assert data.arguments["cloud"] == "file"


def test_files_of_arrays(tmp_path: Path) -> None:
    assert request(None, data={"path": "clouds.h5", "label": "label"}).data.name == "cloud_arrays"


def test_two_kinds_at_once() -> None:
    with pytest.raises(InputError, match="--smiles COLUMN and --cloud COLUMN: expected one kind of data, got several"):
        request(None, data={"path": "parts.csv", "cloud": "file", "smiles": "smiles", "label": "weight"})
