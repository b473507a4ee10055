"""Tests of files that are whole or absent."""

import json
import math
from pathlib import Path

import pytest

from sampleformer.errors import InputError
from sampleformer.files import check_output, write_csv, write_json, write_text, written_whole


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")  # half a character, which no encoding takes
    assert path.read_text() == "old"


def test_json_has_no_numbers_that_are_none(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": [math.nan, 1.5], "b": {"c": math.inf}, "ü": (1, None)})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": [None, 1.5], "b": {"c": None}, "ü": [1, None]}
    assert "ü" in text


def test_csv_leaves_missing_cells_empty(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["a", "b"], [{"a": 1, "b": 'x,"y"'}, {"a": 2}])
    assert (tmp_path / "a.csv").read_text() == 'a,b\n1,"x,""y"""\n2,\n'
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_where_an_output_may_go(tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("")
    assert check_output(tmp_path / "new.csv") == tmp_path / "new.csv"
    assert check_output(tmp_path / "there.csv", force=True) == tmp_path / "there.csv"
    for path, force in ((tmp_path / "there.csv", False), (tmp_path, True)):
        with pytest.raises(InputError, match="exists already"):
            check_output(path, force=force)
    with pytest.raises(InputError, match="there is no folder"):
        check_output(tmp_path / "no" / "new.csv")


def test_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with written_whole(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_interrupted_file_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half() -> None:
        with written_whole(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
