"""Runs blended into one: outputs, scores, folder, and runs that do not fit together."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sampleformer.data.collate import collate
from sampleformer.errors import InputError
from sampleformer.explain import write_report
from sampleformer.models import Blend
from sampleformer.training import Predictor, Recipe, RunFolder, blend, evaluate, predict, train
from sampleformer.training.data_record import load_again
from tests.training.small import text_recipe, write_texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of other seeds and widths, which see the same parts of a table."""
    folder = tmp_path_factory.mktemp("joining")
    path = write_texts(folder / "reviews.csv", rows=120)
    for seed in (0, 1):
        recipe = text_recipe(path, model={"width": 8 + 8 * seed}).model_copy(update={"seed": seed})
        train(recipe, folder / f"seed-{seed}", quiet=True)
    return folder


@pytest.fixture(scope="module")
def joined(folder: Path) -> RunFolder:
    return blend([folder / "seed-0", folder / "seed-1"], folder / "both")


def test_outputs_are_the_weighted_sum_of_the_runs(folder: Path, joined: RunFolder) -> None:
    model = joined.read_model()
    assert isinstance(model, Blend)
    assert (len(model.parts), model.factors.shape) == (2, (2,))
    test = load_again(joined, joined.read_recipe()).test
    tokens = collate([test[row] for row in range(len(test))]).tokens
    alone = [RunFolder(folder / f"seed-{seed}").read_model() for seed in (0, 1)]
    with torch.inference_mode():
        expected = sum(factor * each(tokens) for factor, each in zip(model.factors, alone, strict=True))
        torch.testing.assert_close(model(tokens), expected)


def test_the_folder_is_that_of_a_finished_run(folder: Path, joined: RunFolder) -> None:
    results = joined.read_results()
    assert results is not None
    assert results["best"]["test"] == evaluate(joined.path)["scores"]
    assert [part["name"] for part in results["parts"]] == ["transformer of seed-0", "transformer of seed-1"]
    before = [RunFolder(folder / f"seed-{seed}").read_results() for seed in (0, 1)]
    for part, run in zip(results["parts"], before, strict=True):
        assert run is not None
        assert part["test"] == run["best"]["test"]
    assert results["parameters"] == sum(run["parameters"] for run in before if run)
    predict(joined.path, folder / "reviews.csv", folder / "predicted.csv")
    assert (folder / "predicted.csv").read_text().count("\n") == 121
    assert Predictor.load(joined.path)("abba").keys() == Predictor.load(folder / "seed-0")("abba").keys()
    page = write_report(joined.path).read_text(encoding="utf-8")
    assert "transformer of seed-1" in page
    assert json.loads(joined.run_file.read_text())["blended"] == [str(folder / f"seed-{seed}") for seed in (0, 1)]


def test_a_folder_that_was_moved_with_its_data_still_finds_it(folder: Path, joined: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(joined.path, tmp_path / "deep" / "both")
    shutil.move(folder / "reviews.csv", tmp_path / "deep" / "reviews.csv")
    try:
        assert evaluate(tmp_path / "deep" / "both")["samples"] == 12
    finally:
        shutil.move(tmp_path / "deep" / "reviews.csv", folder / "reviews.csv")


def test_one_run_is_blended_with_models_that_are_fitted_and_a_blend_is_taken_apart(
    folder: Path, joined: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "sampleformer"):
        one = blend([folder / "seed-0"], tmp_path / "one", changes=["blend=[ngrams, forest]"])
    assert "blend: forest is left out, since the data has no descriptors" in caplog.messages
    results = one.read_results()
    assert results is not None
    assert [part["name"] for part in results["parts"]] == ["transformer of seed-0", "ngrams"]
    again = blend([joined.path], tmp_path / "again").read_model()
    assert isinstance(again, Blend)
    both = joined.read_model()
    assert isinstance(both, Blend)
    torch.testing.assert_close(again.factors, both.factors)
    assert [each.settings for each in again.models] == [each.settings for each in both.models]


def test_scores_of_the_validation_part_decide_the_factors(folder: Path, joined: RunFolder) -> None:
    """A run that answers at random weighs less than one that has learnt."""
    path = folder / "reviews.csv"
    train(text_recipe(path, steps=80, check_every=20, learning_rate=0.02), folder / "long", quiet=True)
    train(text_recipe(path, steps=1, check_every=1, learning_rate=1e-12), folder / "none", quiet=True)
    model = blend([folder / "long", folder / "none"], folder / "unlike").read_model()
    assert isinstance(model, Blend)
    assert model.factors[0] > model.factors[1]
    assert np.isfinite(model.factors.numpy()).all()


def test_runs_that_do_not_fit_together_are_refused(folder: Path, tmp_path: Path) -> None:
    first, recipe = folder / "seed-0", text_recipe(folder / "reviews.csv")

    def read_otherwise(**settings: Any) -> Recipe:
        return recipe.model_copy(update={"data": recipe.data.model_copy(update=settings)})

    other = write_texts(tmp_path / "other.csv", rows=120, seed=1)
    unlike = {
        "samples": text_recipe(other),
        "split": read_otherwise(seed=5),
        "tokens": read_otherwise(tokens="words", min_count=1),
    }
    words = {
        "samples": "other samples, in some part,",
        "split": "other samples, in some part,",
        "tokens": "other tokens or descriptors than",
    }
    for name, each in unlike.items():
        train(each, tmp_path / name, quiet=True)
        with pytest.raises(InputError, match=f"{name}: found {words[name]}"):
            blend([first, tmp_path / name], tmp_path / "out")
    with pytest.raises(InputError, match="expected each run once"):
        blend([first, first], tmp_path / "out")
    with pytest.raises(InputError, match="not a run folder"):
        blend([first, tmp_path], tmp_path / "out")
    with pytest.raises(InputError, match=r"--set model.width=3: the models are trained; expected one of blend"):
        blend([first], tmp_path / "out", changes=["model.width=3"])
    with pytest.raises(InputError, match="blend.name: 'gin' is trained in steps"):
        blend([first], tmp_path / "out", changes=["blend=[gin]"])
    unfinished = shutil.copytree(first, tmp_path / "unfinished")
    (unfinished / "results.json").unlink()
    with pytest.raises(InputError, match="unfinished: the training is not finished, expected finished runs"):
        blend([unfinished], tmp_path / "out")
    (unfinished / "results.json").write_text("{}")
    with pytest.raises(InputError, match="results.json: not the scores of a run"):
        blend([unfinished], tmp_path / "out")
    masked = recipe.data.model_copy(update={"task": "masked", "label": None})
    train(recipe.model_copy(update={"data": masked}), tmp_path / "masked", quiet=True)
    with pytest.raises(InputError, match="masked: its labels are not for samples"):
        blend([tmp_path / "masked"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="exists already"):
        blend([first], folder / "seed-1")
