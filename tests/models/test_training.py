"""Every registered model is trained, saved, resumed and asked like ours; users' own too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sampleformer.data import SOURCES
from sampleformer.errors import InputError
from sampleformer.explain import write_page, write_report
from sampleformer.models import MODELS, AnyModelSettings, Model, TokenModel
from sampleformer.tokens import as_tokens
from sampleformer.training import Recipe, evaluate, predict, train
from sampleformer.training.recipe import change
from tests.models import small_data
from tests.training.small import write_described, write_texts


@pytest.fixture(autouse=True)
def small_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "small_clouds", small_data.SmallClouds)
    monkeypatch.setitem(SOURCES, "small_graphs", small_data.SmallGraphs)


def texts(tmp_path: Path) -> dict[str, Any]:
    path = write_texts(tmp_path / "texts.csv")
    return {"name": "text", "path": str(path), "text": "review", "label": "sentiment", "tokens": "characters"}


def numbers(tmp_path: Path) -> dict[str, Any]:
    path = write_described(tmp_path / "described.csv")
    return {"name": "text", "path": str(path), "text": "review", "label": "kind", "tokens": "characters"}


DATA: dict[str, Callable[[Path], dict[str, Any]]] = {
    "transformer": texts,
    "bag": texts,
    "mlp": numbers,
    "gin": lambda tmp_path: {"name": "small_graphs", "train": 48},
    "pointnet": lambda tmp_path: {"name": "small_clouds", "train": 48},
    "dgcnn": lambda tmp_path: {"name": "small_clouds", "train": 48},
}
SMALL = {"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "attention": "full"}


def recipe(name: str, tmp_path: Path, steps: int = 4, check_every: int = 2, **model: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "small",
            "data": DATA[name](tmp_path),
            "descriptors": [{"name": "columns", "columns": ["age", "place"]}] if name == "mlp" else [],
            "model": {"name": name} | (SMALL if name == "transformer" else {}) | model,
            "training": {"steps": steps, "batch_size": 16, "check_every": check_every, "learning_rate": 3e-3},
        }
    )


def test_every_model_is_tested_here() -> None:
    assert set(DATA) == {name for name, model in MODELS.items() if model.trained}


@pytest.mark.parametrize("name", DATA)
def test_a_training_from_recipe_to_predictions(name: str, tmp_path: Path) -> None:
    run = train(recipe(name, tmp_path), tmp_path / "run", quiet=True)
    results = run.read_results()
    assert results is not None
    model = run.read_model()
    assert type(model) is MODELS[name]
    assert results["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    again = Recipe.model_validate(run.read_recipe().model_dump())
    assert (again.model.name, again.model) == (name, recipe(name, tmp_path).model)
    assert (run.path / "model" / "config.json").exists()
    report = Path(write_report(run.path)).read_text() if name in ("bag", "transformer") else ""
    if name == "bag":
        assert "This model attends to no tokens" in report
        assert evaluate(run.path)["scores"] == pytest.approx(results["best"]["test"])
        assert predict(run.path, tmp_path / "texts.csv", tmp_path / "p.csv") > 0
        with pytest.raises(InputError, match="its model 'bag' attends to no tokens"):
            write_page(run.path, tmp_path / "texts.csv", tmp_path / "page.html")


def test_a_transformer_of_local_parts_alone_has_no_choice_to_show(tmp_path: Path) -> None:
    asked = recipe("transformer", tmp_path, attention={"name": "samsa", "layers": []}, local={"name": "window"})
    run = train(asked, tmp_path / "run", quiet=True)
    assert "This model attends to no tokens" in Path(write_report(run.path)).read_text()
    with pytest.raises(InputError, match="its model 'transformer' attends to no tokens"):
        write_page(run.path, tmp_path / "texts.csv", tmp_path / "page.html")


@pytest.mark.parametrize(("name", "steps"), [("gin", 150), ("pointnet", 60), ("dgcnn", 60), ("bag", 60), ("mlp", 150)])
def test_what_is_easy_is_learned(name: str, steps: int, tmp_path: Path) -> None:
    results = train(recipe(name, tmp_path, steps, check_every=30), tmp_path / "run", quiet=True).read_results()
    assert results is not None
    assert results["best"]["test"]["accuracy"] == 1.0


@pytest.mark.parametrize("name", ["gin", "pointnet", "bag", "mlp"])
def test_a_stopped_training_goes_on(name: str, tmp_path: Path) -> None:
    from lightning.pytorch import Callback

    class Stop(Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            if trainer.global_step == 2:
                raise KeyboardInterrupt

    asked = recipe(name, tmp_path)
    whole = train(asked, tmp_path / "whole", quiet=True)
    with pytest.raises(KeyboardInterrupt):
        train(asked, tmp_path / "cut", quiet=True, callbacks=[Stop()])
    cut = train(asked, tmp_path / "cut", quiet=True, resume=True)
    one, other = (each.read_model().state_dict() for each in (whole, cut))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_bag_stands_beside_the_transformer(tmp_path: Path) -> None:
    run = train(recipe("transformer", tmp_path, beside=[{"name": "bag", "width": 4}]), tmp_path / "run", quiet=True)
    model = run.read_model()
    assert isinstance(model, TokenModel)
    assert [type(each) for each in model.beside] == [MODELS["bag"]]
    assert evaluate(run.path)["scores"] == pytest.approx(run.read_results()["best"]["test"])  # type: ignore[index]


def test_another_model_takes_the_settings_of_the_old_one_away(tmp_path: Path) -> None:
    changed = change(recipe("transformer", tmp_path), ["model.name=gin", "model.layers=3"])
    assert changed.model == MODELS["gin"].Settings(layers=3)
    with pytest.raises(InputError, match=r"^model\.heads: unknown setting; "):
        change(changed, ["model.heads=2"])
    with pytest.raises(InputError, match=r"^model\.layers: .*greater than or equal to 1, got 0$"):
        change(changed, ["model.layers=0"])
    with pytest.raises(InputError, match=r"^model\.name: unknown name 'gun'; did you mean 'gin'"):
        change(changed, ["model.name=gun"])


class MeanSettings(AnyModelSettings):
    """Settings of `MeanOfBytes`."""

    name: str = "tests.models.test_training.MeanOfBytes"
    scale: float = 1.0


class MeanOfBytes(Model):
    """A model of a user's own."""

    name = "tests.models.test_training.MeanOfBytes"
    Settings = MeanSettings

    def build(self, settings: Any) -> None:
        self.head = nn.Linear(1, self.outputs)

    def forward(self, tokens: Any, **questions: Any) -> torch.Tensor:
        mean = as_tokens(tokens).without_padding().features.float().mean(1, keepdim=True)
        return self.head(self.settings.scale * mean)


def test_a_model_of_the_users_own(tmp_path: Path) -> None:
    asked = recipe("bag", tmp_path)
    values = asked.model_dump() | {"model": {"name": MeanOfBytes.name, "scale": 0.5}}
    run = train(Recipe.model_validate(values), tmp_path / "run", quiet=True)
    assert run.read_model(trust_code=True).settings.scale == 0.5
    with pytest.raises(InputError, match="is code from outside this package"):
        run.read_model()


def test_a_model_of_another_class_is_refused(tmp_path: Path) -> None:
    run = train(recipe("bag", tmp_path), tmp_path / "run", quiet=True)
    with pytest.raises(InputError, match="found the model 'bag', expected 'transformer'"):
        TokenModel.from_pretrained(run.path)


@pytest.mark.parametrize(("name", "data"), [("gin", "bag"), ("bag", "gin"), ("pointnet", "bag")])
def test_models_for_other_data_are_refused_before_the_folder_is_made(name: str, data: str, tmp_path: Path) -> None:
    wrong = recipe(name, tmp_path)
    values = wrong.model_dump() | {"data": DATA[data](tmp_path)}
    with pytest.raises(InputError, match=f"model.name: '{name}' is for tokens with "):
        train(Recipe.model_validate(values), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
