"""The study of the defaults, on a set of a few rows."""

import json
from pathlib import Path

import pytest

from benchmarks.defaults import study
from tests.training.small import write_csv


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    texts = [[f"the {'good' if row % 2 else 'bad'} film {row % 7}", "yes" if row % 2 else "no"] for row in range(60)]
    write_csv(tmp_path / "texts.csv", ["review", "sentiment"], texts)
    options = ["--text", "review", "--label", "sentiment", "--steps", "2", "--set", "training.min_steps=0", "--quiet"]
    monkeypatch.setattr(study, "SETS", {"small": ["--data", "{data}/texts.csv", *options], "other": ["nothing.yaml"]})
    return tmp_path


def test_a_study_makes_a_table_and_goes_on_where_it_was(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--data", str(small), "--output", str(small / "study"), "--seeds", "1", "--simple", "words"]
    study.main([*asked, "--sets", "small"])
    log = small / "study" / "small.log"
    assert "small | accuracy" in capsys.readouterr().out, log.read_text()
    (row,) = json.loads((small / "study" / "table.json").read_text())
    assert (row["name"], row["simple"], row["seeds"]) == ("small", "words", 1)
    assert row["memory_mib"] > 50
    before = log.stat().st_mtime_ns
    study.main([*asked, "--sets", "small,other"])
    assert log.stat().st_mtime_ns == before
    assert "other: failed" in capsys.readouterr().err


def test_a_set_that_is_not_there(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        study.main(["--data", str(small), "--output", str(small), "--sets", "smal"])
    assert "--sets: found smal, expected some of small, other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("metric", "ours", "simple", "verdict"),
    [("accuracy", 0.9, 0.8, "better"), ("accuracy", 0.8, 0.84, "as good"), ("rmse", 0.9, 0.8, "worse")],
)
def test_the_verdict_counts_in_standard_errors(metric: str, ours: float, simple: float, verdict: str) -> None:
    row = study.Row("x", metric, ours, 0.05, "words", simple, 0.05, 1, 1, 1, 1)
    assert row.verdict == verdict


def test_every_set_has_a_file_or_a_recipe() -> None:
    for name, options in study.SETS.items():
        assert any("{data}/" in each for each in options) or options == [name]
