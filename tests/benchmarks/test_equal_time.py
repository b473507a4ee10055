"""The study of equal time, on a set of a few rows."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.equal_time import ablations, order, study, trials
from sampleformer.training import data_module
from tests.training.small import write_texts


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table of texts that the study knows."""
    write_texts(tmp_path / "texts.csv")
    changes = ["blend=[]", "model.width=8", "model.heads=2", "model.feedforward=8", "training.min_steps=0"]
    data = {"path": "{data}/texts.csv", "text": "review", "label": "sentiment"}
    ablations = {"batches of one length": "by length", "no window": ["model.local=null"]}
    settings = {"data": data, "changes": changes, "ablations": ablations}
    monkeypatch.setitem(trials.SETS, "small", settings)
    monkeypatch.setattr(trials, "LAST", 6)
    return tmp_path


def test_a_study_trains_each_model_for_its_steps_and_goes_on_where_it_was(small: Path) -> None:
    found = small / "found.json"
    asked = ["--data", str(small), "-o", str(found), "--sets", "small", "--sizes", "2", "--minutes", "1e-4"]
    study.main([*asked, "--plot", str(small / "found.png")])
    rows = json.loads(found.read_text())
    assert [row["variant"] for row in rows] == ["local", "2", "full"]
    for row in rows:
        assert row["steps"] == max(1, round(6e-3 / (row["step_ms"] / 1e3)))
        assert row["metric"] == "accuracy"
        assert 0 <= row["valid"] <= 1
    assert (small / "found.png").read_bytes().startswith(b"\x89PNG")
    study.main([*asked, "--sizes", "2,3"])
    again = json.loads(found.read_text())
    assert again[:3] == rows
    assert [row["variant"] for row in again[3:]] == ["3"]


def test_the_models_differ_in_their_attention_alone(small: Path) -> None:
    recipe = trials.asked_recipe(trials.SETS["small"], small)
    models = {each.name: each.recipe.model_dump()["model"] for each in study.variants(recipe, [2])}
    attentions = {name: each.pop("attention") for name, each in models.items()}
    assert models["local"] == models["2"] == models["full"]
    assert attentions["local"]["layers"] == []
    assert attentions["2"]["sampled"] == 2
    assert attentions["full"]["name"] == "full"


def test_a_set_that_is_not_there(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        study.main(["--data", str(small), "-o", str(small / "x.json"), "--sets", "smal"])
    assert "--sets: found smal, expected some of peptides, imdb, listops, small" in capsys.readouterr().err


def test_single_changes_are_compared_without_the_test_part(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = small / "found.json"
    asked = ["--data", str(small), "-o", str(found), "--sets", "small", "--minutes", "1e-4", "--seeds", "2"]
    ablations.main(asked)
    rows = json.loads(found.read_text())
    names = ["the recipe", "batches of one length", "no window"]
    assert [(row["seed"], row["variant"]) for row in rows] == [(seed, name) for seed in (0, 1) for name in names]
    assert all(row["samples"]["test"] == row["samples"]["valid"] for row in rows)
    said = capsys.readouterr().out
    scores = [row["valid"] for row in rows if row["variant"] == "no window"]
    steps = sum(row["steps"] for row in rows if row["variant"] == "no window") / 2
    line = f"{sum(scores) / 2:.3f} | {min(scores):.3f} to {max(scores):.3f} |"
    assert f"| no window | {round(steps)} | {line}" in said


def test_batches_by_length_hold_neighbours_and_each_sample_once() -> None:
    sizes = np.random.default_rng(0).integers(1, 50, 103)
    batches = order.BatchesByLength(103, 10, seed=1, sizes=sizes)
    first, second = ([batches.batch(step + start) for step in range(11)] for start in (0, 11))
    for found in (first, second):
        assert sorted(row for batch in found for row in batch) == list(range(103))
        spans = sorted((min(sizes[batch]), max(sizes[batch])) for batch in found)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert first != second
    assert first == [order.BatchesByLength(103, 10, seed=1, sizes=sizes).batch(step) for step in range(11)]


def test_only_trainings_inside_have_batches_by_length() -> None:
    kept = data_module.RandomBatches
    with order.ordered(np.arange(1, 5)):
        batches = data_module.RandomBatches(4, 2, 0)
        assert sorted(sorted(batches.batch(step)) for step in range(2)) == [[0, 1], [2, 3]]
    with order.ordered(None):
        assert data_module.RandomBatches is kept
    assert data_module.RandomBatches is kept
