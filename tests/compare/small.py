"""Small comparisons of a few seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sampleformer.compare import compare
from sampleformer.training import Recipe
from tests.training.small import MODEL, write_csv

TRAINING = {"steps": 2, "batch_size": 16, "check_every": 2}


def small_recipe(data: dict[str, Any], embed: str = "sequence", **training: Any) -> Recipe:
    """A recipe of two steps."""
    model = MODEL | {"embed": {"name": embed}}
    values = {"name": "small", "data": data, "model": model, "training": TRAINING | training}
    return Recipe.model_validate(values)


def compared(folder: Path, recipe: Recipe, **options: Any) -> dict[str, Any]:
    """A comparison in a folder of its own."""
    return compare(recipe, folder / "out", command=["program"], quiet=True, **options)


def scores(results: dict[str, Any]) -> dict[str, float]:
    """The main metric of each model on the test part."""
    return {each["name"]: each["test"][results["metric"]] for each in results["models"] if each.get("test")}


def write_reviews(path: Path, rows: int = 60) -> Path:
    """Texts whose label is a word, among words that are in all."""
    words = ["the", "film", "was", "long", "and", "short", "again"]
    table = []
    for row in range(rows):
        told = [words[(row + place * (1 + row % 3)) % len(words)] for place in range(5)]
        table.append([" ".join([*told, "good" if row % 2 else "bad"]), "yes" if row % 2 else "no", row % 2 * 2.5])
    return write_csv(path, ["review", "liked", "stars"], table)


def write_molecules(path: Path, rows: int = 60) -> Path:
    """Chains of carbon, half of them with a nitrogen; a second label has gaps, and the mass is in the thousands."""
    table = []
    for row in range(rows):
        active = row % 2
        smiles = f"{'C' * (1 + row % 7)}{'N' if active else 'C'}{'O' * (row % 3)}"
        table.append([smiles, active, "" if row % 5 == 0 else row // 2 % 2, 1000 + 500 * active])
    return write_csv(path, ["smiles", "active", "other", "mass"], table)
