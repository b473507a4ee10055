"""Comparisons with the real program, on files of each kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.program import refused, run_program
from tests.compare.small import write_molecules, write_reviews
from tests.data.graph.small import write_many
from tests.data.point_cloud.small import write_shapes

SMALLEST = [
    *("--set", "model.width=8"),
    *("--set", "model.heads=2"),
    *("--set", "model.layers=1"),
    *("--set", "model.feedforward=16"),
    *("--steps", "2"),
    *("--set", "training.batch_size=16"),
    "--quiet",
]
PERCEPTRON = "a perceptron over descriptors"
TEXTS = ["--data", "reviews.csv", "--text", "review", "--label", "liked"]


@pytest.mark.parametrize(
    ("options", "models"),
    [
        (TEXTS, ["a bag of words", "a bag of embeddings"]),
        (
            ["--data", "m.csv", "--smiles", "smiles", "--label", "active"],
            [
                "a forest over fingerprints",
                "a linear model over fingerprints",
                "boosting over fingerprints",
                "GIN",
                PERCEPTRON,
            ],
        ),
        (["--data", "mine", "--label", "active"], ["a forest over graph statistics", "GIN", PERCEPTRON]),
        (
            ["--data", "shapes", "--label", "folder", "--set", "data.points=16", "--set", "data.stored=32"],
            ["a forest over shape statistics", "PointNet", PERCEPTRON],
        ),
    ],
    ids=["texts", "molecules", "graphs", "clouds"],
)
def test_the_users_own_data(options: list[str], models: list[str], tmp_path: Path) -> None:
    write_reviews(tmp_path / "reviews.csv")
    write_molecules(tmp_path / "m.csv")
    write_many(tmp_path / "mine")
    write_shapes(tmp_path / "shapes")
    done = run_program(tmp_path, ["compare", *options, *SMALLEST, "-o", "out"])
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [each["title"] for each in results["models"]] == ["sampleformer", "the same answer for all", *models]
    assert all(each["reason"] is None for each in results["models"])
    for title in (*models, "sampleformer", "± is the standard error over the"):
        assert title in done.stdout
    *_, verdict, page = done.stdout.splitlines()
    assert verdict == results["verdict"]["sentence"]
    assert page == f"page: {Path('out', 'compare.html')}"
    assert results["command"][1] == "compare"
    assert (tmp_path / "out" / "compare.html").stat().st_size > 10_000
    runs = [each for model in results["models"] for each in model["runs"]]
    assert len(runs) == 1 + len({"GIN", "PointNet", "a bag of embeddings", PERCEPTRON} & set(models))
    assert all((tmp_path / run / "report.html").stat().st_size > 10_000 for run in runs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*TEXTS, "--simple", "words,pointent"], "--simple: unknown name 'pointent'; did you mean 'pointnet'?"),
        (["--data", "reviews.csv", "--text", "review", "--task", "masked"], "data.task: found 'masked"),
        ([*TEXTS, "--simples", "words"], "unknown argument '--simples'; did you mean '--simple'?"),
    ],
)
def test_the_real_program_refuses_in_one_line(options: list[str], message: str, tmp_path: Path) -> None:
    write_reviews(tmp_path / "reviews.csv")
    assert message in refused(tmp_path, ["compare", *options, "--quiet"])
