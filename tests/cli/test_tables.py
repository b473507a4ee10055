"""Tables as other programs write them, by the real program."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sampleformer import cli
from tests.cli.conftest import SMALL
from tests.cli.program import refused, run_program

ROWS = [(f"r{row}", f"word{row % 5} more", "a" if row % 2 else "b") for row in range(40)]


def write(path: Path, rows: list[tuple[str, ...]], separator: str = ",", encoding: str = "utf-8") -> Path:
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


def semicolons(folder: Path) -> None:
    write(folder / "t.csv", [("id", "text", "label"), *ROWS], ";", "utf-16")


def blanks(folder: Path) -> None:
    write(folder / "t.csv", [("id", " text", "label "), *ROWS])


def of_excel(folder: Path) -> None:
    write(folder / "t.csv", [("id", "text", "label", "", ""), *((*row, "", "") for row in ROWS), ("",) * 5])


def of_pandas(folder: Path) -> None:
    write(folder / "t.csv", [("", "text", "label"), *((str(row), *ROWS[row][1:]) for row in range(40))])


Check = Callable[..., tuple[str, str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Output and messages of ``data check`` in this process, which must end well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "keep_freed_memory", lambda: None, raising=False)

    def run(*options: str) -> tuple[str, str]:
        assert cli.main(["data", "check", *options]) == 0
        return capsys.readouterr()

    return run


@pytest.mark.parametrize("prepare", [semicolons, blanks, of_excel, of_pandas])
def test_data_check(tmp_path: Path, check: Check, prepare: Callable[[Path], None]) -> None:
    prepare(tmp_path)
    _, messages = check("--data", "t.csv", "--text", "text", "--label", "label")
    assert "t.csv: inputs: text; predicted: label" in messages
    assert "task classification (inferred from 2 different texts)" in messages


def test_a_run_remembers_how_its_tables_are_written(tmp_path: Path) -> None:
    rows = [(f"{row},5", f"{row * row % 7},25", "hoch" if row % 2 else "früh") for row in range(40)]
    write(tmp_path / "t.csv", [("größe", "y", "label"), *rows], ";", "cp1252")
    kind = ["--numbers", "--label", "label"]
    assert "--encoding cp1252" in refused(tmp_path, ["train", "--data", "t.csv", *kind, "--quiet"])
    said = ["--encoding", "cp1252", "--decimal", ","]
    done = run_program(tmp_path, ["train", "--data", "t.csv", *kind, *said, *SMALL, "--steps", "2", "--output", "run"])
    assert done.returncode == 0, done.stderr
    done = run_program(tmp_path, ["predict", "run", "t.csv", "-o", "p.csv"])
    assert done.returncode == 0, done.stderr
    write(tmp_path / "u.csv", [("größe", "y"), ("1.5", "2.5")])
    assert "byte" in refused(tmp_path, ["predict", "run", "u.csv", "-o", "q.csv", "--encoding", "ascii"])
    said = ["--encoding", "utf-8", "--decimal", "."]
    done = run_program(tmp_path, ["predict", "run", "u.csv", "-o", "q.csv", *said])
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "q.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("option", "value"), [("--separator", "ab"), ("--encoding", "utf-99"), ("--decimal", "x")], ids=lambda each: each
)
def test_format_without_a_meaning(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "check", "--data", "t.csv", "--text", "t", "--label", "y", option, value]) == 2
    assert capsys.readouterr().err.startswith(f"error: {option.removeprefix('--')}: expected ")


@pytest.mark.parametrize("name", ["[bold]", "[/red]", ":smile:", "a\rb", "a\ud83db", "<b>", "\x1b[31m"])
@pytest.mark.parametrize("place", ["label", "column"])
def test_names_of_any_kind(tmp_path: Path, check: Check, name: str, place: str) -> None:
    column, label = (name, "a") if place == "column" else ("y", name)
    rows = [{"id": name, "text": name, column: label if row % 2 else "b"} for row in range(30)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = " ".join(column.replace("\ud83d", "\ufffd").split())
    options = ["--data", "t.jsonl", "--text", "text", "--label", given, "--tokens", "words"]
    out, _ = check(*options)
    if place == "label":
        shown = {"a\rb": "a b", "a\ud83db": "a\ufffdb", "\x1b[31m": "\\x1b[31m"}.get(name, name)
        assert f"class {shown} " in out


def test_predictions_of_any_names_are_a_table(tmp_path: Path) -> None:
    rows = [{"id": f"a\rb{row}", "text": "x\ud83d", "y": ["a\rb", "[/red]"][row % 2]} for row in range(30)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["--data", "t.jsonl", "--text", "text", "--label", "y", "--tokens", "words", "--steps", "2", *SMALL]
    done = run_program(tmp_path, ["train", *options, "--output", "run"])
    assert done.returncode == 0, done.stderr
    done = run_program(tmp_path, ["predict", "run", "t.jsonl", "-o", "p.csv"])
    assert done.returncode == 0, done.stderr
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        header, *found = csv.reader(file)
    assert header == ["id", "prediction", "probability_[/red]", "probability_a\rb"]
    assert [row[0] for row in found] == [f"a\rb{row}" for row in range(30)]


def test_texts_of_two_columns(tmp_path: Path, check: Check) -> None:
    write(tmp_path / "t.csv", [("title", "body", "label"), *((row[0], row[1], row[2]) for row in ROWS)])
    _, messages = check("--data", "t.csv", "--text", "title,body", "--label", "label")
    assert "t.csv: inputs: title, body; predicted: label" in messages
    _, messages = check("--data", "t.csv", "--text", "title", "--text", "body", "--label", "label")
    assert "t.csv: inputs: title, body; predicted: label" in messages
