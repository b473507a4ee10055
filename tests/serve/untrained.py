"""Models that were never trained: a service answers with them as with others, and they are there at once."""

from pathlib import Path

from sampleformer.models import TokenModel
from sampleformer.training import Predictor, Recipe, RunFolder
from sampleformer.training.recipe import make_source
from tests.training.small import number_recipe, text_recipe, write_numbers, write_texts


def untrained(recipe: Recipe, folder: Path) -> RunFolder:
    """A run folder with a model for the data of a recipe."""
    encoding = make_source(recipe).load().encoding
    run = RunFolder(folder)
    run.create(recipe, {})
    TokenModel(recipe.model, encoding.inputs, encoding.task.outputs).save_pretrained(run.model)
    encoding.save(run.encoding)
    return run


def text_run(folder: Path) -> RunFolder:
    """A run for texts of letters a to d and x."""
    return untrained(text_recipe(write_texts(folder / "texts.csv")), folder / "run")


def number_predictor(folder: Path) -> Predictor:
    """A predictor for rows of four numbers."""
    return Predictor.load(untrained(number_recipe(write_numbers(folder / "numbers.csv")), folder / "run").path)
