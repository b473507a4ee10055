"""Small data and models that train in a second."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.training import Recipe

MODEL: dict[str, Any] = {
    "width": 8,
    "layers": 2,
    "heads": 2,
    "feedforward": 16,
    "attention": {"name": "samsa", "sampled": 3},
    "embed": {"name": "sequence", "hidden": 8},
    "dropout": 0.2,
    "residual_scale": 1.0,
}


TRAINING = {"steps": 2, "batch_size": 8, "check_every": 1}


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    """A table in a file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_texts(path: Path, rows: int = 60, seed: int = 0) -> Path:
    """Texts of unequal lengths; the label says which of two letters they hold."""
    random = np.random.default_rng(seed)
    table = []
    for row in range(rows):
        letters = "abxx" if row % 2 else "cdxx"
        text = "".join(random.choice(list(letters), size=int(random.integers(3, 12))))
        table.append([f"r{row}", text, "ab" if row % 2 else "cd"])
    return write_csv(path, ["id", "review", "sentiment"], table)


def write_numbers(path: Path, rows: int = 60, seed: int = 0) -> Path:
    """Four numbers; the price is a sum of two of them, in thousands."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, 4)).round(3)
    table = [[*row, 50_000 + 10_000 * (row[0] + row[2])] for row in values.tolist()]
    return write_csv(path, ["a", "b", "c", "d", "price"], table)


def write_described(path: Path, rows: int = 80, seed: int = 0) -> Path:
    """Texts that say nothing, beside an age with gaps and a place that together decide the kind."""
    random = np.random.default_rng(seed)
    table = []
    for row in range(rows):
        old = row % 2 == 1
        age = "" if row % 9 == 0 else round(float(random.normal(60 if old else 30, 4)), 1)
        table.append([f"r{row}", "".join(random.choice(list("xyz"), size=5)), age, "north" if old else "south", old])
    return write_csv(path, ["id", "review", "age", "place", "kind"], table)


def text_recipe(path: Path, *, model: dict[str, Any] | None = None, **training: Any) -> Recipe:
    """A recipe for the file of `write_texts`."""
    return Recipe.model_validate(
        {
            "name": "small",
            "data": {"name": "text", "path": str(path), "text": "review", "label": "sentiment", "tokens": "bytes"},
            "model": MODEL | (model or {}),
            "training": {"steps": 8, "batch_size": 8, "check_every": 4, "learning_rate": 0.01} | training,
        }
    )


def number_recipe(path: Path, **training: Any) -> Recipe:
    """A recipe for the file of `write_numbers`."""
    return Recipe.model_validate(
        {
            "name": "small",
            "data": {"name": "numbers", "path": str(path), "label": "price"},
            "model": MODEL,
            "training": {"steps": 8, "batch_size": 8, "check_every": 4, "learning_rate": 0.01} | training,
        }
    )


def small_recipe(data: dict[str, Any], embed: str) -> Recipe:
    """A recipe of two steps for a data section."""
    model = MODEL | {"embed": {"name": embed}}
    return Recipe.model_validate({"name": "small", "data": data, "model": model, "training": TRAINING})


def write_graphs(folder: Path) -> Recipe:
    """Tables of graphs, and a recipe for them."""
    nodes, edges, graphs = [], [], []
    for graph in range(24):
        graphs.append([graph, "a" if graph % 2 else "b"])
        for node in range(3 + graph % 2):
            nodes.append([graph, node, node * 0.5])
            edges.append([graph, node, 0])
    (folder / "graphs").mkdir()
    write_csv(folder / "graphs" / "nodes.csv", ["graph", "node", "x"], nodes)
    write_csv(folder / "graphs" / "edges.csv", ["graph", "source", "target"], edges)
    write_csv(folder / "graphs" / "graphs.csv", ["graph", "kind"], graphs)
    return small_recipe({"name": "graphs", "path": str(folder / "graphs"), "label": "kind"}, "graph")


def write_clouds(folder: Path) -> Recipe:
    """A folder of clouds, and a recipe for it."""
    random = np.random.default_rng(0)
    for number in range(24):
        place = folder / "shapes" / ("flat" if number % 2 else "round")
        place.mkdir(parents=True, exist_ok=True)
        points = random.normal(size=(12, 3)) * [1, 1, 0.1 if number % 2 else 1]
        np.savetxt(place / f"{number:02}.xyz", points, fmt="%.4f")
    return small_recipe({"name": "clouds", "path": str(folder / "shapes"), "points": 8}, "point_cloud")
