"""What is in the parts of the data."""

import csv
from pathlib import Path

import pytest

from sampleformer.data import TextTable
from sampleformer.data.summary import check


def write(path: Path, header: list[str], rows: list[list[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_classes(tmp_path: Path) -> None:
    rows: list[list[object]] = [["x" * (n % 5), "rare" if n % 4 == 0 else "often"] for n in range(100)]
    rows.append(["x", ""])
    path = write(tmp_path / "a.csv", ["text", "label"], rows)
    summary = check(TextTable(path, text="text", label="label", tokens="bytes", max_length=3, on_error="skip"))
    assert (summary.task.name, summary.inputs, summary.skipped, summary.truncated) == (
        "classification",
        {"vocabulary": 256},
        1,
        20,
    )
    assert sum(part.samples for part in summary.parts.values()) == 100
    assert sum(part.empty for part in summary.parts.values()) == 20
    train = summary.parts["train"]
    assert (train.shortest, train.longest) == (0, 3)
    assert train.counts == {"often": 60, "rare": 20}
    assert train.majority_share == 0.75
    assert train.means == {}


def test_several_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ["text", "a", "b"], [["x", n % 2, "" if n % 4 else 1] for n in range(40)])
    parts = check(TextTable(path, text="text", label=["a", "b"])).parts.values()
    assert sum(part.counts["a"] for part in parts) == 20
    assert sum(part.counts["b"] for part in parts) == 10
    assert {part.majority_share for part in parts} == {None}


def test_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ["text", "y"], [["x", 1000 + n] for n in range(50)])
    summary = check(TextTable(path, text="text", label="y"))
    assert summary.task.name == "regression"
    assert sum(part.means["y"] * part.samples for part in summary.parts.values()) == pytest.approx(50 * 1024.5)
