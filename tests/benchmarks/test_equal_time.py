"""The study of equal time, on a set of a few rows."""

import json
from pathlib import Path

import pytest

from benchmarks.equal_time import study
from tests.training.small import write_texts


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table of texts that the study knows."""
    write_texts(tmp_path / "texts.csv")
    changes = ["blend=[]", "model.width=8", "model.heads=2", "model.feedforward=8", "training.min_steps=0"]
    data = {"path": "{data}/texts.csv", "text": "review", "label": "sentiment"}
    monkeypatch.setattr(study, "SETS", {"small": {"data": data, "changes": changes}})
    monkeypatch.setattr(study, "LAST", 6)
    return tmp_path


def test_a_study_trains_each_model_for_its_steps_and_goes_on_where_it_was(small: Path) -> None:
    found = small / "found.json"
    asked = ["--data", str(small), "-o", str(found), "--sizes", "2", "--minutes", "1e-4"]
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
    recipe = study.asked_recipe(study.SETS["small"], small)
    models = {name: each.model_dump()["model"] for name, each in study.variants(recipe, [2])}
    attentions = {name: each.pop("attention") for name, each in models.items()}
    assert models["local"] == models["2"] == models["full"]
    assert attentions["local"]["layers"] == []
    assert attentions["2"]["sampled"] == 2
    assert attentions["full"]["name"] == "full"


def test_a_set_that_is_not_there(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        study.main(["--data", str(small), "-o", str(small / "x.json"), "--sets", "smal"])
    assert "--sets: found smal, expected some of small" in capsys.readouterr().err
