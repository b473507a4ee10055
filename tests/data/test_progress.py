"""Progress bars: on a terminal, and only if the package is not quiet."""

import logging

import pytest
from rich.console import Console

from sampleformer.data.progress import download_bar, progress_bar

logger = logging.getLogger("sampleformer")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "is_terminal", property(lambda console: True))


def show() -> None:
    with progress_bar("counting", total=3) as show_done:
        show_done(2)
    with download_bar("fetching") as bar:
        bar.total = 2000
        bar.update(1000)
        assert bar.total == 2000
        bar.close()


def test_bars_are_drawn_on_the_error_stream_of_a_terminal(terminal: None, capsys: pytest.CaptureFixture[str]) -> None:
    before = logger.level
    logger.setLevel(logging.INFO)
    show()
    logger.setLevel(before)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "counting" in captured.err
    assert "2/3" in captured.err
    assert "fetching" in captured.err


def test_nothing_is_drawn_when_quiet(terminal: None, capsys: pytest.CaptureFixture[str]) -> None:
    before = logger.level
    logger.setLevel(logging.WARNING)
    show()
    logger.setLevel(before)
    assert "counting" not in capsys.readouterr().err


def test_nothing_is_drawn_into_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    show()
    assert capsys.readouterr().err == ""
