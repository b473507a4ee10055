"""How a training says how far it has come."""

import logging
import re
from pathlib import Path

import pytest
from rich.console import Console

from sampleformer.data import progress
from sampleformer.training import train
from tests.training.small import text_recipe, write_texts


@pytest.fixture
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock takes a second, so that ten steps take at least ten."""
    seconds = iter(range(10**6))
    monkeypatch.setattr(progress, "monotonic", lambda: float(next(seconds)))


def test_lines_from_the_first_step_on_where_there_is_no_terminal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, slow_clock: None
) -> None:
    recipe = text_recipe(write_texts(tmp_path / "texts.csv"), steps=12, check_every=6)
    with caplog.at_level("INFO", logger="sampleformer"):
        train(recipe, tmp_path / "run")
    lines = [line for line in caplog.messages if line.startswith("step")]
    number = r"[\d.e+-]+"
    step = re.compile(rf"step (\d+)/12, loss {number}, {number} s a step, \d+ (s|min) left")
    check = re.compile(
        rf"step (\d+)/12, train loss {number}, valid loss {number}, valid accuracy {number}, \d+ (s|min) left"
    )
    steps = [int(found[1]) for line in lines if (found := step.fullmatch(line))]
    assert steps[0] == 1
    assert 2 <= len(steps) < 12
    checks = [int(found[1]) for line in lines if (found := check.fullmatch(line))]
    assert checks == [6, 12]
    assert lines[-1].endswith("0 s left")


def test_a_bar_with_loss_and_time_left_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Console, "is_terminal", property(lambda console: True))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("sampleformer.training.callbacks.progress.REFRESH_SECONDS", -1)
    train(text_recipe(write_texts(tmp_path / "texts.csv"), steps=3), tmp_path / "run")
    shown = capsys.readouterr().err
    assert shown.index("0/3") < shown.index("1/3") < shown.index("3/3")
    assert re.search(r"loss [\d.e+-]+ .*left", shown)


def test_a_quiet_training_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert logging.getLogger("sampleformer").level in (logging.NOTSET, logging.WARNING)
    with caplog.at_level("INFO", logger="sampleformer"):
        train(text_recipe(write_texts(tmp_path / "texts.csv"), steps=3), tmp_path / "run", quiet=True)
    assert not [line for line in caplog.messages if line.startswith("step")]
    assert capsys.readouterr().err == ""
