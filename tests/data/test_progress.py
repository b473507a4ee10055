"""What is said of long work: a bar on a terminal, else lines, and nothing if the package is quiet."""

import logging
import threading
from typing import Any

import pytest
from rich.console import Console

from sampleformer.data import progress
from sampleformer.data.progress import Pace, announced, download_bar, progress_bar

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


class Clock:
    """A clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress, "monotonic", lambda: self.now)


def test_into_a_file_go_lines_now_and_then(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(monkeypatch)
    with caplog.at_level("INFO", logger="sampleformer"), progress_bar("counting", total=40) as show_done:
        for done in range(1, 41):
            clock.now += 0.5
            show_done(done)
    assert caplog.messages == ["counting: 4/40, 18 s left", "counting: 24/40, 8 s left"]
    caplog.clear()
    with progress_bar("counting", total=2) as show_done:
        clock.now += 60
        show_done(1)
    assert caplog.messages == []  # the level is WARNING again


def test_nothing_done_says_nothing_of_the_time_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(monkeypatch)
    with caplog.at_level("INFO", logger="sampleformer"), progress_bar("counting", total=40) as show_done:
        clock.now += 60
        show_done(0)
    assert caplog.messages == ["counting: 0/40"]


def test_the_first_step_counts_only_as_long_as_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    pace = Pace(total=110, done=10)
    assert not pace.is_due()
    clock.now += 30
    pace.step(11)
    assert pace.seconds == 30
    assert pace.left == "50 min left"
    for done in (12, 13):
        clock.now += 1
        pace.step(done)
    assert pace.seconds == 1
    assert pace.left == "2 min left"
    assert [pace.is_due(), pace.is_due()] == [True, False]
    assert Pace(total=None).left == ""


@pytest.mark.parametrize("long", [True, False])
def test_only_long_work_is_announced(
    long: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[Any] = []

    class Timer:
        """A timer that is run by hand."""

        def __init__(self, seconds: float, function: Any, arguments: list[Any]) -> None:
            self.seconds, self.run, self.alive = seconds, lambda: function(*arguments), False
            made.append(self)

        def start(self) -> None:
            self.alive = True

        def cancel(self) -> None:
            self.alive = False

    monkeypatch.setattr(threading, "Timer", Timer)
    with caplog.at_level("INFO", logger="sampleformer"), announced("reading the data"):
        (timer,) = made
        assert timer.alive
        assert timer.seconds == 2
        if long:
            timer.run()
    assert not timer.alive
    assert caplog.messages == ["reading the data ..."] * long
