"""What the tests of the command line share."""

import shutil
from pathlib import Path

import pytest

from tests.cli.program import run_program
from tests.training.small import write_texts

SMALL = [
    *("--set", "model.width=8"),
    *("--set", "model.heads=2"),
    *("--set", "model.feedforward=16"),
    *("--set", "model.attention.sampled=3"),
    *("--set", "model.embed.hidden=8"),
    *("--set", "training.batch_size=8"),
]
TEXTS = ["--data", "texts.csv", "--text", "review", "--label", "sentiment", "--tokens", "bytes"]


@pytest.fixture(scope="package")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with texts.csv and the finished run `run`, trained by the real program."""
    folder = tmp_path_factory.mktemp("trained")
    write_texts(folder / "texts.csv")
    done = run_program(folder, ["train", *TEXTS, "--steps", "6", "--output", "run", "--seed", "3", *SMALL])
    assert done.returncode == 0, done.stderr
    (folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")
    (folder / "stderr.txt").write_text(done.stderr, encoding="utf-8")
    return folder


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(trained_once, tmp_path / "trained"))
