"""Tests of where a run's numbers come from."""

import subprocess
from datetime import datetime
from pathlib import Path

import torch

from sampleformer.training.provenance import describe_run, git_revision


def test_description() -> None:
    run = describe_run(["sampleformer", "train"], seed=7, device="cpu")
    assert run["command"] == ["sampleformer", "train"]
    assert run["seed"] == 7
    assert run["versions"]["torch"] == torch.__version__
    assert run["threads"] == torch.get_num_threads()
    assert run["machine"]["processor"]
    assert run["machine"]["cores"] >= 1
    assert datetime.fromisoformat(run["started"]).tzinfo is not None


def test_git_revision(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "commit.gpgsign=false", "-c", "user.email=a@b"]
    (tmp_path / "file").write_text("1")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    clean = git_revision(tmp_path)
    assert clean is not None
    assert len(clean) == 40
    (tmp_path / "file").write_text("2")
    assert git_revision(tmp_path) == f"{clean}+"
