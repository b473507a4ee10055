"""Fitted models blended with the trained one: what each weighs, and runs from recipe to predictions."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from sampleformer.errors import InputError
from sampleformer.explain import write_page, write_report
from sampleformer.models import Blend, NGrams, TokenModel
from sampleformer.settings import Component
from sampleformer.tasks import LOSSES, Classification, Regression
from sampleformer.training import Recipe, evaluate, predict, train
from sampleformer.training import blending as blending_module
from sampleformer.training.blending import check_blend, factors_of
from sampleformer.training.loss import make_loss
from sampleformer.training.recipe import change
from tests.training.small import text_recipe, write_csv, write_described, write_texts


def cost(factors: np.ndarray, outputs: list[np.ndarray], targets: np.ndarray) -> float:
    """What the factors minimise, for the squared error of one value."""
    errors = sum(factor * each for factor, each in zip(factors, outputs, strict=True)) - targets
    return float(len(targets) / 2 * np.log((errors**2).mean()) + 0.5 * (np.log(factors * len(factors)) ** 2).sum())


def values(noises: tuple[float, ...], rows: int = 40) -> tuple[list[np.ndarray], np.ndarray]:
    """Outputs of models with errors of these sizes, and the targets."""
    random = np.random.default_rng(0)
    targets = random.normal(size=(rows, 1)).astype(np.float32)
    return [(targets + random.normal(size=(rows, 1)) * noise).astype(np.float32) for noise in noises], targets


def test_shares_minimise_the_loss_and_what_says_that_all_weigh_the_same() -> None:
    outputs, targets = values((0.3, 0.6))
    loss = make_loss(Regression(["y"], [0.0], [1.0]), None, targets)
    found = factors_of(outputs, targets, loss).numpy().astype(np.float64)
    least = cost(found, outputs, targets)
    assert found[0] > found[1] > 0
    for change_of in ([1.02, 1], [0.98, 1], [1, 1.02], [1, 0.98], [1.02, 0.98], [0.98, 1.02]):
        assert cost(found * change_of, outputs, targets) > least


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_the_unit_of_an_error_does_not_matter(unit: float) -> None:
    outputs, targets = values((0.001, 1.0))
    loss = make_loss(Regression(["y"], [0.0], [1.0]), None, targets)
    factors = factors_of(outputs, targets, loss)
    scaled = [each * np.float32(unit) for each in outputs]
    torch.testing.assert_close(factors_of(scaled, targets * np.float32(unit), loss), factors, rtol=1e-2, atol=1e-3)
    assert factors[1] < 0.01 * factors[0]


def test_few_samples_change_little_and_a_useless_model_counts_for_little() -> None:
    random = np.random.default_rng(0)
    targets = random.integers(2, size=500)
    right = np.where(random.random(500) < 0.9, targets, 1 - targets)
    sure = np.eye(2, dtype=np.float32)[right] * 2
    noise = random.normal(size=(500, 2)).astype(np.float32)
    loss = make_loss(Classification("y", ["a", "b"]), None, targets)
    few = factors_of([sure[:1], noise[:1]], targets[:1], loss)
    many = factors_of([sure, noise], targets, loss)
    assert (few - 0.5).abs().max() < 0.5
    assert many[1] < 0.2 * many[0]
    hidden = np.where(np.arange(500) < 5, targets, -1)
    torch.testing.assert_close(
        factors_of([sure, noise], hidden, loss), factors_of([sure[:5], noise[:5]], targets[:5], loss)
    )


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_shares(name: str) -> None:
    random = np.random.default_rng(0)
    of_classes = name == "cross_entropy"
    targets = random.integers(2, size=30) if of_classes else random.integers(2, size=(30, 2)).astype(np.float32)
    outputs = [random.normal(size=(30, 2)).astype(np.float32) for _ in range(2)]
    assert factors_of(outputs, targets, LOSSES[name](targets, 2)).isfinite().all()


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "texts.csv")


def blended(recipe: Recipe, *parts: str) -> Recipe:
    return change(recipe, [f"blend=[{', '.join(parts)}]"])


def test_a_run_whose_outputs_are_those_of_both(texts: Path, tmp_path: Path) -> None:
    run = train(blended(text_recipe(texts), "ngrams"), tmp_path / "run", quiet=True)
    model, results = run.read_model(), run.read_results()
    assert isinstance(model, Blend)
    assert [type(part) for part in model.parts] == [TokenModel, NGrams]
    assert results is not None
    names = [part["name"] for part in results["parts"]]
    assert names == ["transformer", "ngrams"]
    assert [part["factor"] for part in results["parts"]] == pytest.approx(model.factors.tolist())
    assert evaluate(run.path)["scores"] == pytest.approx(results["best"]["test"])
    assert predict(run.path, texts, tmp_path / "p.csv") == 60
    assert "fitted to the training part at once" in write_report(run.path).read_text()
    page = write_page(run.path, texts, tmp_path / "page.html", samples=1).read_text()
    assert "Words that mattered most" in page


def test_of_a_training_that_is_begun_in_the_middle_nothing_changes(texts: Path, tmp_path: Path) -> None:
    recipe = blended(text_recipe(texts), "{name: ngrams, strengths: [1.0]}")
    whole = train(recipe, tmp_path / "whole", quiet=True)
    stopped = train(recipe, tmp_path / "stopped", quiet=True)
    for file in (stopped.results, stopped.model / "model.safetensors"):
        file.unlink()
    again = train(recipe, tmp_path / "stopped", resume=True, quiet=True)
    assert again.read_results()["best"] == whole.read_results()["best"]  # type: ignore[index]
    bytes_of = [(run.model / "model.safetensors").read_bytes() for run in (whole, again)]
    assert bytes_of[0] == bytes_of[1]


def test_descriptors_decide_where_texts_say_nothing(tmp_path: Path) -> None:
    path = write_described(tmp_path / "described.csv")
    recipe = change(
        text_recipe(path),
        [
            "data.label=kind",
            "descriptors=[{name: columns, columns: [age, place]}]",
            "blend=[linear, {name: forest, trees: 20, tried: 5}]",
        ],
    )
    run = train(recipe, tmp_path / "run", quiet=True)
    results = run.read_results()
    assert results is not None
    assert [part["name"] for part in results["parts"]] == ["transformer", "linear", "forest"]
    assert results["best"]["test"]["accuracy"] == 1.0
    blend, _ = run.read_trained()
    assert isinstance(blend, Blend)
    assert len(blend.parts[2].trees.roots) == 20  # type: ignore[union-attr, arg-type]
    page = write_page(run.path, path, tmp_path / "page.html", samples=1).read_text()
    assert "Descriptors that mattered most" in page


def test_what_the_data_has_nothing_for_is_left_out(
    texts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    run = train(blended(text_recipe(texts), "forest"), tmp_path / "run", quiet=True)
    assert "blend: forest is left out, since the data has no descriptors" in caplog.text
    assert isinstance(run.read_model(), TokenModel)
    assert run.read_results()["parts"] == []  # type: ignore[index]
    masked = change(text_recipe(texts), ["blend=[ngrams]", "data.task=masked", "data.label=null"])
    train(masked, tmp_path / "masked", quiet=True)
    assert "blend: nothing is blended, since the labels are not for whole samples" in caplog.text


def test_what_cannot_be_fitted_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rows = [[f"{'ab'[row % 2]}{row}", "ab"[row % 2]] for row in range(40)]
    path = write_csv(tmp_path / "unique.csv", ["review", "sentiment"], rows)
    recipe = change(blended(text_recipe(path), "ngrams"), ["data.tokens=words", "data.min_count=1"])
    run = train(recipe, tmp_path / "run", quiet=True)
    assert "blend: ngrams is left out, since it found nothing to learn from" in caplog.text
    assert isinstance(run.read_model(), TokenModel)


def test_of_very_many_tokens_some_samples_are_learnt_from(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    candidates = NGrams.candidates.__func__  # type: ignore[attr-defined]

    def spied(cls: type, settings: object, inputs: object, chunks: object, columns: object, seed: int) -> object:
        seen.append(len(columns.targets))  # type: ignore[attr-defined]
        return candidates(cls, settings, inputs, chunks, columns, seed)

    monkeypatch.setattr(NGrams, "candidates", classmethod(spied))
    monkeypatch.setattr(blending_module, "MOST_TOKENS", 100)
    train(blended(text_recipe(texts), "ngrams"), tmp_path / "run", quiet=True)
    assert 5 <= seen[0] < 48


def test_what_cannot_be(texts: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'gin' is trained in steps, expected a model that is fitted: boosting"):
        train(blended(text_recipe(texts), "gin"), tmp_path / "run", quiet=True)
    with pytest.raises(InputError, match=r"blend\.forest\.tree: unknown setting"):
        train(blended(text_recipe(texts), "{name: forest, tree: 3}"), tmp_path / "run", quiet=True)
    with pytest.raises(InputError, match=r"model\.name: 'ngrams' is not trained in steps, expected one of bag"):
        train(change(text_recipe(texts), ["model.name=ngrams"]), tmp_path / "run", quiet=True)
    many = ", ".join(["ngrams"] * 20)
    with pytest.raises(InputError, match=r"^blend: found 20 models, expected at most 19 beside 1 trained model$"):
        train(blended(text_recipe(texts), many), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
    check_blend(())
    parts = [Component(name="ngrams")] * 19
    check_blend(parts)
    with pytest.raises(InputError, match=r"^blend: found 19 models, expected at most 18 beside 2 trained models$"):
        check_blend(parts, trained=2)


def test_what_a_blend_says_moves_with_its_device_and_type() -> None:
    loss = make_loss(Classification("y", ["a", "b"]), None, np.array([0, 1]))
    factors = factors_of([np.eye(2, dtype=np.float32)] * 2, np.array([0, 1]), loss)
    assert factors.dtype == torch.float32
    torch.testing.assert_close(factors[0], factors[1])
