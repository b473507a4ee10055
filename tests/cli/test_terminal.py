"""The program at the borders of the machine: terminals, pipes, and what is printed there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from sampleformer.cli import main
from sampleformer.cli.output import show
from sampleformer.errors import InputError

NAMES = ["[bold]text[/red]", "[/]", "a[0]", ":smile:", "é…😀", "\udcff"]


def run(arguments: list[str], folder: Path, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "sampleformer", *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO"))}
    return subprocess.run(command, cwd=folder, env=kept | environment, capture_output=True, check=False)


@pytest.mark.parametrize(
    "terminal",
    [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1:strict"}, {"LANG": "C", "PYTHONCOERCECLOCALE": "0"}],
    ids=str,
)
def test_terminals_that_lack_characters(tmp_path: Path, terminal: dict[str, str]) -> None:
    (tmp_path / "é.csv").write_text("t,y\n" + "é…😀,[bold]é😀\nb,[/red]\n" * 10, encoding="utf-8")
    done = run(["data", "check", "--data", "é.csv", "--text", "t", "--label", "y"], tmp_path, **terminal)
    assert done.returncode == 0, done.stderr
    assert b"[bold]" in done.stdout
    assert b"[/red]" in done.stdout
    wrong = run(["data", "check", "--data", "é😀.csv", "--text", "t", "--label", "y"], tmp_path, **terminal)
    assert wrong.returncode == 2
    assert wrong.stderr.count(b"\n") == 1
    assert b"no such file" in wrong.stderr


def test_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(title=NAMES[0])
    table.add_column(NAMES[1])
    for name in NAMES[:-1]:
        table.add_row(name)
    show(table)
    printed = capsys.readouterr().out
    assert all(name in printed for name in NAMES[:-1])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "a.csv"), "error: a.csv: No space left on device"),
        (OSError("strange"), "error: strange"),
        (MemoryError(), "error: this needs more memory than there is"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "error: this needs more memory than there is"),
        (RecursionError(), "error: something is nested too deeply"),
        (InputError("a\nb\x1b[2J\udcff"), "error: a\\nb\\x1b[2J\\xff"),
    ],
    ids=repr,
)
def test_what_the_machine_lacks_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, words: str
) -> None:
    def fail(options: object) -> None:
        raise error

    monkeypatch.setattr("sampleformer.cli.recipes.run", fail)
    assert main(["recipes", "ls"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(words)
    with pytest.raises(type(error)):
        main(["recipes", "ls", "--debug"])


def test_a_mistake_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (KeyError("a"), RuntimeError("shapes do not fit")):
        monkeypatch.setattr("sampleformer.cli.recipes.run", lambda options, error=error: _raise(error))
        with pytest.raises(type(error)):
            main(["recipes", "ls"])


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written_or_that_nobody_reads(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sampleformer", "recipes", "ls"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr.decode().splitlines()) == (2, ["error: a file: No space left on device"])
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(command, cwd=tmp_path, stdout=closed, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
