"""Prepared data on the command line."""

from pathlib import Path

from tests.cli.program import refused, run_program
from tests.data.graph.test_smiles import RINGS, table
from tests.training.small import write_texts

SMALL = ["--set", "model.width=8", "--set", "model.heads=2", "--set", "model.layers=1", "--set", "model.feedforward=8"]
SMALL += ["--set", "training.warmup_steps=1"]


def _done(folder: Path, *arguments: str) -> str:
    done = run_program(folder, arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_data_is_prepared_checked_trained_from_and_gone_on_with(tmp_path: Path) -> None:
    write_texts(tmp_path / "reviews.csv")
    options = ["--data", "reviews.csv", "--text", "review", "--label", "sentiment", "--tokens", "characters"]
    said = _done(tmp_path, "data", "prepare", *options, "-o", "some folder", "--workers", "2")
    assert "train from it with: sampleformer train --data 'some folder'" in said
    prepared, read = (_done(tmp_path, "data", "check", *each) for each in (["--data", "some folder"], options))
    assert prepared == read
    _done(tmp_path, "train", "--data", "some folder", "--steps", "2", "--output", "run", *SMALL)
    assert "the training is finished" in run_program(tmp_path, ["train", "--resume", "--output", "run"]).stderr
    assert "accuracy" in _done(tmp_path, "evaluate", "run")
    said = refused(tmp_path, ["train", "--data", "some folder", "--label", "sentiment"])
    assert said.startswith("--label: found it beside some folder, whose data is prepared")
    (tmp_path / "some folder" / "shards" / "000000.safetensors").unlink()
    said = refused(tmp_path, ["train", "--data", "some folder", "--output", "another"])
    assert said.startswith("some folder/shards/000000.safetensors: no such file; the shard is missing")
    assert not (tmp_path / "another").exists()


def test_descriptors_of_the_recipe_are_prepared(tmp_path: Path) -> None:
    table(tmp_path / "m.csv", [f"{'C' * size}{ring}" for ring in RINGS for size in (1, 2)])
    options = ["--data", "m.csv", "--smiles", "smiles", "--label", "active"]
    _done(tmp_path, "data", "prepare", *options, "-o", "prepared", "--workers", "0")
    _done(tmp_path, "train", "--data", "prepared", "--steps", "2", "--output", "run", *SMALL)
    assert "morgan" in (tmp_path / "run" / "config.yaml").read_text()


def test_other_descriptors_are_prepared(tmp_path: Path) -> None:
    table(tmp_path / "m.csv", [f"{'C' * size}{ring}" for ring in RINGS for size in (1, 2)])
    options = ["--data", "m.csv", "--smiles", "smiles", "--label", "active"]
    asked = [*options, "--set", "descriptors=[{name: morgan, radius: 3}]", "--set", "random_walk=4"]
    _done(tmp_path, "data", "prepare", *asked, "-o", "prepared", "--workers", "0")
    _done(tmp_path, "train", "--data", "prepared", "--steps", "2", "--output", "run", *SMALL)
    config = (tmp_path / "run" / "config.yaml").read_text()
    assert "radius: 3" in config
    assert "torsions" not in config
    said = refused(tmp_path, ["data", "prepare", *options, "-o", "other", "--set", "descriptors=3"])
    assert said.startswith("descriptors: ")
