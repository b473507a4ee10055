"""The page of a comparison and the table of the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sampleformer.compare.page import trained, write_comparison_page
from sampleformer.compare.table import comparison_lines, comparison_table
from tests.explain.pages import Page


def model(name: str, role: str, score: float | None, **more: Any) -> dict[str, Any]:
    about = {"name": name, "title": name, "role": role, "sees": f"what {name} sees", "reason": None}
    if score is None:
        return about | {"reason": "the data do not let it"}
    return (
        about
        | {
            "test": {"accuracy": score, "f1": score / 2},
            "test_of_seeds": [score],
            "standard_error": 0.0123,
            "valid": {"accuracy": score + 0.01, "loss": 1.0},
            "chosen": ["C = 1"],
            "seconds": 75.0,
            "cpu_seconds": 70.0,
            "size": 1234,
            "size_of": "parameter",
            "seeded": True,
            "runs": [],
        }
        | more
    )


@pytest.fixture
def results() -> dict[str, Any]:
    return {
        "recipe": "<reviews> $x$",
        "data": {"name": "text"},
        "kind": "texts",
        "task": "classification",
        "metric": "accuracy",
        "selected_by": "loss",
        "unit": "node",
        "rows": {"train": 800, "valid": 100, "test": 101},
        "seeds": [0],
        "minutes": None,
        "standard_error": "test rows",
        "command": ["sampleformer", "compare", "--data", "my reviews.csv"],
        "versions": {"torch": "2.13"},
        "git_revision": None,
        "machine": {"gpu": None, "device": "cpu", "processor": "x", "cores": 2},
        "threads": 1,
        "started": "then",
        "finished": "now",
        "models": [
            model("sampleformer", "ours", 0.9, runs=["out/runs/sampleformer-0"]),
            model("the same for all", "floor", 0.5, seeded=False),
            model("a bag of <words> $y$", "simple", 0.95),
            model("GIN", "simple", None),
        ],
        "verdict": {
            "use": "simple",
            "sentence": "A bag is better: use <it>.",
            "notes": ["Only 3 rows & more."],
            "best_simple": "a bag of <words> $y$",
        },
    }


def test_the_page_says_all_and_loads_nothing(results: dict[str, Any], tmp_path: Path) -> None:
    write_comparison_page(tmp_path / "page.html", results)
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    page.check_self_contained()
    for text in (
        "A bag is better: use <it>.",
        "Only 3 rows & more.",
        "a bag of <words> $y$, the best simple model",
        "0.950 ± 0.012",
        "0.910",  # of the validation part
        "1,234 parameters",
        "1 min 15 s",
        "C = 1",
        "the data do not let it",
        "what GIN sees",
        "800 nodes for training, 100 for validation, 101 for the test",
        "chose settings and weights by loss",
        "± is the standard error over the 101 test nodes",
        "'my reviews.csv'",
        "out/runs/sampleformer-0",
        "F1 (macro)",
    ):
        assert text in page.text, text
    assert "at most" not in page.text


def test_seeds_and_minutes(results: dict[str, Any], tmp_path: Path) -> None:
    results |= {"standard_error": "seeds", "seeds": [0, 1, 2], "minutes": 5.0}
    write_comparison_page(tmp_path / "page.html", results)
    text = Page((tmp_path / "page.html").read_text(encoding="utf-8")).text
    assert "± is the standard error of the mean over 3 seeds; a model without it gives the same for every seed" in text
    assert "Each training had at most 5 minutes." in text
    assert "0.500 ±" not in text  # the floor has no seeds


def test_the_best_comes_first_whatever_is_better(results: dict[str, Any]) -> None:
    assert [each["test"]["accuracy"] for each in trained(results)] == [0.95, 0.9, 0.5]
    results["metric"] = "mae"
    for each in results["models"][:3]:
        each["test"]["mae"] = each["test"]["accuracy"]
    assert [each["test"]["mae"] for each in trained(results)] == [0.5, 0.9, 0.95]


def test_the_table_and_its_lines(results: dict[str, Any]) -> None:
    table = comparison_table(results)
    assert [column.header for column in table.columns][:3] == ["model", "test accuracy", "validation"]
    assert list(table.columns[1].cells) == ["0.950 ± 0.012", "0.900 ± 0.012", "0.500 ± 0.012"]
    lines = comparison_lines(results)
    assert "GIN: the data do not let it" in lines
    assert lines[-1] == "A bag is better: use <it>."
