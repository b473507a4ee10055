"""Models that were never trained: a service answers with them as with others, and they are there at once."""

from pathlib import Path

from sampleformer.models import TokenModel
from sampleformer.models.bag import BagOfEmbeddings
from sampleformer.training import Predictor, Recipe, RunFolder
from sampleformer.training.recipe import make_source
from tests.training.small import (
    number_recipe,
    small_recipe,
    text_recipe,
    write_clouds,
    write_csv,
    write_graphs,
    write_numbers,
    write_texts,
)


def untrained(recipe: Recipe, folder: Path) -> RunFolder:
    """A run folder with a model for the data of a recipe."""
    encoding = make_source(recipe).load().encoding
    run = RunFolder(folder)
    run.create(recipe, {})
    TokenModel(recipe.model, encoding.model_inputs, encoding.task.outputs).save_pretrained(run.model)
    encoding.save(run.encoding)
    return run


def text_run(folder: Path) -> RunFolder:
    """A run for texts of letters a to d and x."""
    return untrained(text_recipe(write_texts(folder / "texts.csv")), folder / "run")


def number_predictor(folder: Path) -> Predictor:
    """A predictor for rows of four numbers."""
    return Predictor.load(untrained(number_recipe(write_numbers(folder / "numbers.csv")), folder / "run").path)


def cloud_predictor(folder: Path) -> Predictor:
    """A predictor for point clouds, of which it sees eight points."""
    return Predictor.load(untrained(write_clouds(folder), folder / "run").path)


def graph_predictor(folder: Path) -> Predictor:
    """A predictor for small graphs."""
    return Predictor.load(untrained(write_graphs(folder), folder / "run").path)


def model_without_choice(folder: Path) -> Predictor:
    """A predictor for texts whose model attends to nothing."""
    encoding = make_source(text_recipe(write_texts(folder / "texts.csv"))).load().encoding
    bag = BagOfEmbeddings(BagOfEmbeddings.Settings(name="bag"), encoding.model_inputs, encoding.task.outputs)
    return Predictor(bag, encoding, max_tokens=1000)


def molecule_predictor(folder: Path) -> Predictor:
    """A predictor for molecules that a dose describes, too."""
    rows = [["C" * (1 + row % 6) + ("O" if row % 2 else "N"), 1 + row % 7, row % 2] for row in range(40)]
    path = write_csv(folder / "molecules.csv", ["smiles", "dose", "active"], rows)
    recipe = small_recipe({"name": "smiles", "path": str(path), "smiles": "smiles", "label": "active"}, "graph")
    described = recipe.model_dump() | {"descriptors": [{"name": "columns", "columns": ["dose"]}]}
    return Predictor.load(untrained(Recipe.model_validate(described), folder / "run").path)


def image_predictor(folder: Path) -> Predictor:
    """A predictor for images of four times four pixels with levels from 0 to 16."""
    rows = [[*((row * place) % 17 for place in range(16)), row % 2] for row in range(40)]
    path = write_csv(folder / "images.csv", [*(f"p{place}" for place in range(16)), "kind"], rows)
    image = {"values": "pixels", "maximum": 16, "layout": [4, 4]}
    recipe = small_recipe({"name": "numbers", "path": str(path), "label": "kind", **image}, "sequence")
    return Predictor.load(untrained(recipe, folder / "run").path)
