"""Tests of places where files can be written, and where they cannot."""

import errno
import os
from pathlib import Path

import pytest

from sampleformer.errors import InputError, printable
from sampleformer.files import write_text
from sampleformer.output_paths import check_new_folder, check_output, check_writable


def test_where_an_output_may_go(tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("")
    assert check_output(tmp_path / "new.csv") == tmp_path / "new.csv"
    assert check_output(tmp_path / "there.csv", force=True) == tmp_path / "there.csv"
    cases = ((tmp_path / "there.csv", False, "exists already"), (tmp_path, True, "is a folder, expected the name of a"))
    for path, force, message in cases:
        with pytest.raises(InputError, match=message):
            check_output(path, force=force)
    with pytest.raises(InputError, match="there is no folder"):
        check_output(tmp_path / "no" / "new.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]


IMPOSSIBLE = {"below a file": "file/a", "NUL": "a\0b", "too long": "n" * 300, "no folder": "none/a"}


@pytest.mark.parametrize("name", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_where_nothing_can_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    path = tmp_path / name
    tries = {
        "check_output": lambda: check_output(path),
        "check_writable": lambda: check_writable(path, "--json"),
        "write_text": lambda: write_text(path, "new"),
    }
    if name != "none/a":  # folders above a run folder are made
        tries["check_new_folder"] = lambda: check_new_folder(path)
    for what, attempt in tries.items():
        with pytest.raises(InputError, match=r"cannot be|there is no folder") as caught:
            attempt()
        assert printable(str(path)) in str(caught.value), what
    assert [left.name for left in tmp_path.iterdir()] == ["file"]


def test_the_longest_name_that_a_file_can_have(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_text(check_output(path), "new")
    assert path.read_text() == "new"


def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening for writing, replacing and removing fail, whoever runs the tests."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("open", "replace", "unlink", "mkdir"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr("pathlib.Path.open", refuse)
    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)


def test_a_read_only_place_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        read_only(patched)
        for attempt in (check_output, check_new_folder, lambda path: write_text(path, "new")):
            with pytest.raises(InputError, match=r"a.txt: cannot be written \(Read-only file system\)"):
                attempt(tmp_path / "a.txt")


def test_a_new_folder_may_need_others(tmp_path: Path) -> None:
    check_new_folder(tmp_path / "a" / "b" / "c")
    assert list(tmp_path.iterdir()) == []


def test_an_output_is_no_input(tmp_path: Path) -> None:
    table, folder = tmp_path / "a.csv", tmp_path / "graphs"
    table.write_text("a\n1\n")
    folder.mkdir()
    (folder / "nodes.csv").write_text("a\n1\n")
    (tmp_path / "link.csv").symlink_to(table)
    os.link(table, tmp_path / "hard.csv")
    cases = [(name, table) for name in ("a.csv", "link.csv", "hard.csv", "graphs/../a.csv")]
    for name, read in [*cases, ("graphs/nodes.csv", folder)]:
        with pytest.raises(InputError, match=r"is what is read \(.*\); give another name"):
            check_output(tmp_path / name, force=True, inputs=[read])
    assert check_output(folder / "new.csv", inputs=[folder, tmp_path / "none"]) == folder / "new.csv"
    assert table.read_text() == "a\n1\n"
