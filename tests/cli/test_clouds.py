"""Point clouds from the user's own files to predictions, with the real program."""

import csv
from pathlib import Path

import pytest

from sampleformer.training import evaluate
from tests.cli.program import run_program
from tests.data.point_cloud.small import write_parts, write_shapes

SMALLEST = [
    *("--set", "model.width=8"),
    *("--set", "model.heads=2"),
    *("--set", "model.layers=1"),
    *("--set", "model.feedforward=16"),
    *("--set", "model.embed.neighbours=4"),
    *("--set", "data.points=16"),
    *("--set", "data.stored=32"),
    *("--epochs", "1"),
    "--quiet",
]


def _run(folder: Path, *arguments: str) -> str:
    done = run_program(folder, arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("recipe", [[], ["clouds-invariant"]])
def test_a_folder_of_classes(tmp_path: Path, recipe: list[str]) -> None:
    write_shapes(tmp_path / "shapes")
    out = _run(tmp_path, "train", *recipe, "--data", "shapes/", "--label", "folder", *SMALLEST, "--output", "run")
    assert "test accuracy" in out
    tested = {row["id"]: row for row in _rows(tmp_path / "run" / "test_predictions.csv")}
    assert _run(tmp_path, "predict", "run", "shapes", "--output", "all.csv", "--quiet").startswith("20 predictions")
    for row in _rows(tmp_path / "all.csv"):
        if row["id"] in tested:
            assert float(row["probability_ball"]) == pytest.approx(
                float(tested[row["id"]]["probability_ball"]), abs=1e-5
            )
    name = next(iter(tested))
    _run(tmp_path, "predict", "run", f"shapes/{name}", "--output", "one.csv", "--quiet")
    (one,) = _rows(tmp_path / "one.csv")
    assert float(one["probability_ball"]) == pytest.approx(float(tested[name]["probability_ball"]), abs=1e-5)
    assert "accuracy" in _run(tmp_path, "evaluate", "run", "shapes", "--quiet")
    turned = [
        _run(tmp_path, "evaluate", "run", "--quiet", "--set", f"data.evaluation_rotation={how}")
        for how in ("none", "so3")
    ]
    if recipe:
        assert turned[0] == turned[1]
    _run(tmp_path, "explain", "run", f"shapes/{name}", "--output", "page", "--quiet")
    assert (tmp_path / "page").exists()


def test_a_table_of_paths_with_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shapes(tmp_path / "shapes")
    lines = [f"shapes/{name}/{n}.xyz,{n + 0.25}" for name in ("ball", "disc") for n in range(10)]
    (tmp_path / "parts.csv").write_text("\n".join(["file,weight", *lines]) + "\n")
    out = _run(
        tmp_path, "train", "--data", "parts.csv", "--cloud", "file", "--label", "weight", *SMALLEST, "--output", "r"
    )
    assert "test mae" in out
    monkeypatch.chdir(tmp_path)  # the run names its data as it was given
    upright, turned = (evaluate("r", changes=[f"data.evaluation_rotation={h}"]) for h in ("none", "so3"))
    assert upright["scores"]["mae"] != turned["scores"]["mae"]  # seen through coordinates, a turned shape is another
    _run(tmp_path, "predict", "r", "parts.csv", "--output", "p.csv", "--quiet")
    assert len(_rows(tmp_path / "p.csv")) == 20


def test_labels_of_points(tmp_path: Path) -> None:
    write_parts(tmp_path / "parts")
    out = _run(tmp_path, "train", "--data", "parts", "--label", "labels", *SMALLEST, "--output", "run")
    assert "test instance miou" in out
    _run(tmp_path, "predict", "run", "parts/ball/3.txt", "--output", "p.csv", "--quiet")
    rows = _rows(tmp_path / "p.csv")
    assert sorted(int(row["point"]) for row in rows) == list(range(43))


def test_what_is_in_a_folder(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes")
    out = _run(tmp_path, "data", "check", "--data", "shapes", "--label", "folder")
    assert "class ball" in out
