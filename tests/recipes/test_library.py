"""Tests of the packaged recipes and of changes to them."""

import re
from pathlib import Path

import pytest
import torch

from sampleformer import recipes
from sampleformer.data import SOURCES
from sampleformer.embed import EMBEDS
from sampleformer.errors import InputError
from sampleformer.models import TokenModel
from sampleformer.recipes.kinds import KINDS
from sampleformer.settings import Component

OF_THE_USER = {kind.recipe for kind in KINDS} | {"peptides-short", "clouds-invariant"}
PUBLISHED = {  # layers, width, feed-forward, heads, k, temperature, choice, rate, decay, batch, epochs
    "listops": (6, 128, 512, 8, 256, 1.0, "hard", 1e-3, 0.01, 64, 500),
    "imdb": (4, 128, 512, 8, 256, 1.0, "hard", 1e-3, 0.01, 50, 200),
    "peptides-func": (24, 128, 512, 8, 512, 1.0, "hard", 1e-3, 0.01, 64, 160),
    "peptides-struct": (24, 128, 512, 8, 512, 1.0, "hard", 4e-4, 0.01, 64, 320),
}


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_can_be_built(name: str) -> None:
    recipe = recipes.load(name)
    assert recipe.name == name
    assert recipe.description
    assert issubclass(SOURCES.resolve(recipe.data.name, "data"), tuple(SOURCES.values()))
    with torch.device("meta"):
        TokenModel(recipe.model, EMBEDS[recipe.model.embed.name].example, outputs=10)
    if name not in OF_THE_USER:  # who gives path and columns
        recipe.data.build(SOURCES, "data")


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_opens_with_how_to_use_it(name: str) -> None:
    comment = recipes.text(name).split("\nname:")[0]
    assert all(line.startswith("#") for line in comment.splitlines())
    for word in ("Launch:", "Override:", "Hardware:", "sampleformer train"):
        assert word in comment
    # What the comment tells to type must work: each command's --set names exist.
    for setting in re.findall(r"--set (\S+)=(\S+)", comment):
        recipes.load(name, ["=".join(setting)])


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings(name: str) -> None:
    recipe = recipes.load(name)
    model, training, attention = recipe.model, recipe.training, recipe.model.attention.arguments
    assert PUBLISHED[name] == (
        model.layers,
        model.width,
        model.feedforward,
        model.heads,
        attention["sampled"],
        attention["temperature"],
        attention["choice"],
        training.learning_rate,
        training.weight_decay,
        training.batch_size,
        training.epochs,
    )
    assert (model.dropout, model.pooling, model.residual_scale) == (0.3, "attention", 0.0)
    assert (training.optimizer.name, training.schedule.name) == ("adamw", "cosine")
    assert (training.warmup_steps, training.gradient_clip) == (2000, 2.0)


def test_published_settings_of_peptides() -> None:
    func, struct = recipes.load("peptides-func"), recipes.load("peptides-struct")
    for recipe in (func, struct):
        assert recipe.model.stochastic_depth == 0.2
        assert recipe.model.embed.arguments == {"edge_tokens": "each"}
        assert recipe.data.arguments == {"identifiers": recipe.model.width}
    assert (func.training.loss, struct.training.loss) == (None, Component(name="huber"))


@pytest.mark.parametrize(
    ("name", "published"),  # layers, width, heads, k
    [("peptides-func-sft", (4, 144, 16, 75)), ("pascalvoc-sp", (8, 160, 16, 150)), ("coco-sp", (8, 160, 16, 150))],
)
def test_published_models_of_sft(name: str, published: tuple[int, ...]) -> None:
    model = recipes.load(name).model
    assert (model.layers, model.width, model.heads, model.attention.arguments["sampled"]) == published
    assert (model.attention.name, model.attention.arguments["relative"]) == ("sft", "edges")
    assert model.embed.arguments == {"edge_tokens": "none"}


def test_the_score_of_a_benchmark_picks_the_weights() -> None:
    scores = {name: recipes.load(name).training.selected_by for name in ("pascalvoc-sp", "coco-sp", "bbbp", "esol")}
    assert scores == {"pascalvoc-sp": "f1", "coco-sp": "f1", "bbbp": "auroc", "esol": "rmse"}


def test_protocol_of_listops_small() -> None:
    recipe = recipes.load("listops-small")
    model, training = recipe.model, recipe.training
    assert (model.layers, model.width, model.feedforward, model.heads, model.pooling) == (2, 64, 128, 2, "mean")
    assert model.attention.arguments == {"sampled": 128, "choice": "hard"}
    assert (training.steps, training.batch_size, training.learning_rate) == (5000, 32, 1e-4)
    assert (training.optimizer.name, training.schedule.name, training.check_every) == ("adam", "linear", 500)


def test_changes() -> None:
    recipe = recipes.load(
        "digits",
        ["training.steps=7", "model.attention.sampled=5", "model.embed.positions=none", "data.limit=50", "seed=3"],
    )
    assert (recipe.training.steps, recipe.training.epochs) == (7, None)
    assert recipe.model.attention.arguments["sampled"] == 5
    assert recipe.model.embed.arguments["positions"] == "none"
    assert recipe.data.arguments["limit"] == 50
    assert recipe.seed == 3
    assert recipes.change(recipe, ["training.epochs=2"]).training.steps is None


def test_the_length_that_is_asked_for_goes_before_that_of_the_recipe() -> None:
    lengths = [
        recipes.load("texts", changes).training.total_steps(batches_per_pass=10)
        for changes in ([], ["training.epochs=2"], ["training.steps=3"])
    ]
    assert lengths == [150, 20, 3]
    assert recipes.load("texts").training.total_steps(batches_per_pass=1000) == 2000


def test_another_attention_drops_the_arguments_of_the_old_one() -> None:
    assert recipes.load("digits", ["model.attention.name=full"]).model.attention.model_dump() == {"name": "full"}
    kept = recipes.load("digits", ["model.attention.name=samsa"]).model.attention
    assert kept == recipes.load("digits").model.attention


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.widht=3", "model.widht: unknown setting; did you mean 'width'?"),
        ("trainign.steps=3", "trainign: unknown setting; did you mean 'training'?"),
        ("model.width", "--set model.width: expected a dotted name, an equals sign and a value"),
        ("=3", "--set =3: expected a dotted name"),
        (
            "model.width=wide",
            "model.width: input should be a valid integer",
        ),
        ("model.width=[1", "model.width: '[1': not valid YAML"),
        ("seed.more=1", "seed.more: 'seed' is the plain value 0, it has no settings inside"),
        ("training.epochs=null", "training: epochs, steps or minutes must be given"),
        ("seed=-1", "seed: input should be greater than or equal to 0, got -1"),
    ],
)
def test_wrong_changes(change: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        recipes.load("digits", [change])
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_a_recipe_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(recipes.text("digits").replace("layers: 2", "layers: 1"), encoding="utf-8")
    assert recipes.load(path).model.layers == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1\nb: 2", "not valid YAML at line 2, column 2"),
        (b"\xe9t\xe9", "not UTF-8 text (byte 0), expected a recipe in YAML"),
        (b"- a", "expected settings (data, model, training, …), found ['a']"),
        (b"name: a\ntraining: {steps: 1}", "data: required, but not given"),
        (
            b"name: a\ndata: {name: digits}\ntraining: {steps: 1, warmup: 3}",
            "training.warmup: unknown setting; did you mean 'warmup_steps'?",
        ),
    ],
)
def test_wrong_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        recipes.load(path)
    assert str(raised.value).startswith(f"{path}: {message}")


def test_recipes_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown recipe 'digist'; did you mean 'digits'?"):
        recipes.load("digist")
    with pytest.raises(InputError, match="no.yaml: no such file, expected a recipe in YAML"):
        recipes.load(tmp_path / "no.yaml")
