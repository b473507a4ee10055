"""Run folders made without training: random weights, with everything that a training would leave behind."""

import csv
from pathlib import Path
from typing import Any

import torch

from sampleformer.data import SOURCES
from sampleformer.data.source import Splits
from sampleformer.files import write_csv, write_json
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.settings import Component
from sampleformer.tasks import count_known
from sampleformer.training.data_record import DataRecord
from sampleformer.training.evaluation import write_predictions
from sampleformer.training.outputs import known_targets, model_outputs
from sampleformer.training.predictions import predictions_of
from sampleformer.training.recipe import Recipe
from sampleformer.training.run_folder import RunFolder
from sampleformer.training.selection import selecting_metric
from sampleformer.training.settings import TrainingSettings

RUN = {
    "command": ["sampleformer", "train", "--label", "two words"],
    "seed": 0,
    "versions": {"python": "3.11.7", "torch": "2.13.0"},
    "git_revision": None,
    "machine": {"system": "Linux", "processor": "A <fast> one", "cores": 2, "device": "cpu", "gpu": None},
    "threads": 1,
    "started": "2026-01-01T12:00:00+00:00",
    "finished": "2026-01-01T12:01:00+00:00",
    "train_seconds": 60.0,
    "resumed": [],
}


def write_table(path: Path, head: list[str], rows: list[list[Any]]) -> Path:
    """A CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)
    return path


def make_run(folder: Path, data: dict[str, Any], **model: Any) -> tuple[RunFolder, Splits]:
    """The folder of a finished run on some data, and the data."""
    torch.manual_seed(0)
    attention = model.pop("attention", {"name": "samsa", "sampled": 6, "extra": 2})
    small = {"width": 16, "layers": 2, "heads": 4, "feedforward": 16, "residual_scale": 0.5} | model
    settings = ModelSettings(attention=Component(**attention), **small)
    recipe = Recipe(
        name="tried",
        description="a <trial>",
        data=Component(**data),
        model=settings,
        training=TrainingSettings(steps=20),
    )
    source = recipe.data.build(SOURCES, "data")
    splits, run = source.load(), RunFolder(folder)
    record = DataRecord.of(recipe, source, splits, run, in_memory=False)
    run.create(recipe, RUN | {"data": record.model_dump()})
    encoding = splits.encoding
    network = TokenModel(settings, encoding.model_inputs, encoding.task.outputs, level=encoding.task.level)
    network.save_pretrained(run.model)
    splits.encoding.save(run.encoding)
    predictions = predictions_of(splits.test, model_outputs(network, splits.test, encoding.task, 1000), encoding.task)
    write_predictions(run.test_predictions, splits.encoding, [predictions])
    _write_scores(run, splits, encoding.task.score(predictions))
    return run, splits


def _write_scores(run: RunFolder, splits: Splits, scores: dict[str, float]) -> None:
    task = splits.encoding.task
    score_name = selecting_metric(task)
    selected = f"valid_{score_name}"
    rows = [
        {"step": 10, "train_loss": 1.5},
        {"step": 20, "train_loss": 1.25, "valid_loss": 1.5, selected: 0.5, "learning_rate": 0.001},
    ]
    write_csv(run.metrics, ["step", "train_loss", "valid_loss", selected, "learning_rate"], rows)
    weights = {"step": 20, "valid": {"loss": 1.5, **scores}, "test": scores}
    results = {
        "task": task.name,
        "selected_by": score_name,
        "majority_share": task.majority_share(splits.test.targets),
        "valid_majority_share": task.majority_share(splits.valid.targets),
        "judged": {"unit": splits.encoding.target_unit}
        | {name: count_known(known_targets(getattr(splits, name))) for name in ("train", "valid", "test")},
        "samples": {name: len(getattr(splits, name)) for name in ("train", "valid", "test")},
        "parameters": 1234,
        "train_seconds": 60.0,
        "last": weights | {"step": 40},
        "best": weights,
        "parts": [],
    }
    write_json(run.results, results)


def texts_run(folder: Path, tokens: str = "bytes", **model: Any) -> tuple[RunFolder, Splits]:
    """A run on short texts of two classes."""
    rows = [[f"text {place}, {'good' if place % 2 else 'bad'} é", ["no", "yes"][place % 2]] for place in range(40)]
    path = write_table(folder.parent / "texts.csv", ["review", "sentiment"], rows)
    data = {"name": "text", "path": str(path), "text": "review", "label": "sentiment", "tokens": tokens}
    return make_run(folder, data, **model)


def numbers_run(folder: Path, label: str | list[str], **model: Any) -> tuple[RunFolder, Splits]:
    """A run on ten columns of numbers: ``price`` is a value; ``warm`` and ``wet`` are 0 or 1."""
    numbers = torch.randn(60, 10, generator=torch.Generator().manual_seed(0)).tolist()
    rows = [[*row, 10 * row[0] + 50, int(row[1] > 0), int(row[2] > 0)] for row in numbers]
    head = [f"x{place}" for place in range(10)]
    path = write_table(folder.parent / "numbers.csv", [*head, "price", "warm", "wet"], rows)
    return make_run(folder, {"name": "numbers", "path": str(path), "columns": head, "label": label}, **model)
