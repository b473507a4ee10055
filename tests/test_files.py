"""Tests of files that are whole or absent."""

import csv
import errno
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sampleformer.errors import InputError
from sampleformer.files import made_whole, write_bytes, write_csv, write_json, write_text, written_whole
from sampleformer.output_paths import check_output

posix = pytest.mark.skipif(os.name != "posix", reason="pipes and processes of POSIX")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    write_text(path, "old")
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        write_csv(path, ["a"], [{"a": 1}, {"b": 2}])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_no_numbers_that_are_none(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": [math.nan, 1.5], "b": {"c": math.inf}, "ü": (1, None)})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": [None, 1.5], "b": {"c": None}, "ü": [1, None]}
    assert "ü" in text


def test_csv_leaves_missing_cells_empty(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["a", "b"], [{"a": 1, "b": 'x,"y"'}, {"a": 2}])
    assert (tmp_path / "a.csv").read_text() == 'a,b\n1,"x,""y"""\n2,\n'
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


AWKWARD = [
    "a\rb",
    "a\nb",
    "a\r\nb",
    "\r",
    '"',
    'a"b',
    ",",
    " a ",
    "",
    "a\x85b\u2028c",
    "😀",
    "'",
    "\\",
    "a\tb",
    "\x0b",
    "é",
]


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_csv_gives_back_what_was_written(tmp_path: Path, text: str) -> None:
    write_csv(tmp_path / "a.csv", [f"n{text}", "b"], [{f"n{text}": text, "b": 1}, {f"n{text}": "", "b": text}])
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file, strict=True)) == [[f"n{text}", "b"], [text, "1"], ["", text]]


def test_half_a_character_can_be_written(tmp_path: Path) -> None:
    half = "a\ud800-\udcffb"
    write_json(tmp_path / "a.json", {half: [half]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {half: [half]}
    write_csv(tmp_path / "a.csv", [half], [{half: half}])
    write_text(tmp_path / "a.txt", half)
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "a\\ud800-\\udcffb\n" * 2
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "a\\ud800-\\udcffb"


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


def test_content_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    synced, replaced = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("sync"), synced(number)))
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("replace"), replaced(*names)))
    write_text(tmp_path / "a.txt", "new")
    assert done == ["sync", "replace", "sync"]


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np, torch
from safetensors.torch import save_file
from sampleformer.errors import InputError, printable
from sampleformer.files import write_csv, written_whole

def save_array(values, path):
    with path.open("wb") as file:
        np.save(file, values.numpy())

def save(save, path):
    with written_whole(path) as part:
        save(torch.zeros(100_000), part)

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
tries = {
    "csv": lambda path: write_csv(path, ["a"], ({"a": "x" * 1000} for _ in range(1000))),
    "torch": lambda path: save(torch.save, path),
    "safetensors": lambda path: save(lambda values, part: save_file({"a": values}, part), path),
    "numpy": lambda path: save(save_array, path),
}
for name, attempt in tries.items():
    try:
        attempt(Path(sys.argv[1], name))
    except InputError as error:
        print(error)
"""


@posix
def test_a_full_disk_is_one_error_and_leaves_the_old_files(tmp_path: Path) -> None:
    names = ["csv", "torch", "safetensors", "numpy"]
    for name in names:
        (tmp_path / name).write_text("old")
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, check=True)
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        assert line.startswith(f"{tmp_path / name}: cannot be written (")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(names, "old")


@posix
@pytest.mark.parametrize("process", ["of a dead one", "this one"])
def test_what_a_killed_process_left_is_removed(tmp_path: Path, process: str) -> None:
    with written_whole(tmp_path / "a.txt") as part:
        name = part.name
        part.write_text("new")
        write_text(tmp_path / "b.txt", "beside it")  # does not take the part for one that was left
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = name if process == "this one" else name.replace(f"-{os.getpid()}-", f"-{gone.pid}-")
    alive = name.replace(f"-{os.getpid()}-", f"-{os.getppid()}-")
    elsewhere = name.rsplit("-", 3)[0] + f"-00000000-{gone.pid}-0.part"
    for each in (left, alive, elsewhere, "mine.part"):
        (tmp_path / each).write_text("half")
    write_text(tmp_path / "a.txt", "newer")
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "b.txt", alive, elsewhere, "mine.part"}


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for name in ("there", "new"):
        (tmp_path / name).symlink_to(tmp_path / "inner" / name)
    (tmp_path / "inner" / "there").write_text("old")
    with pytest.raises(InputError, match="exists already"):
        check_output(tmp_path / "there")
    for name in ("there", "new"):
        write_text(check_output(tmp_path / name, force=True), "text")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "inner" / name).read_text() == "text"
    (tmp_path / "nowhere").symlink_to(tmp_path / "none" / "a")
    with pytest.raises(InputError, match="there is no folder"):
        check_output(tmp_path / "nowhere")


@posix
def test_a_device_and_a_pipe_are_written_to(tmp_path: Path) -> None:
    write_text(check_output("/dev/null"), "text")
    assert Path("/dev/null").is_char_device()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    write_csv(check_output(pipe), ["a"], [{"a": 1}])
    reader.join()
    assert found == ["a\n1\n"]
    assert pipe.is_fifo()


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_device() -> None:
    with pytest.raises(InputError, match=r"/dev/full: cannot be written \(No space left on device\)"):
        write_text(check_output("/dev/full"), "text")


@posix
@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="no name for standard output")
@pytest.mark.parametrize("into", ["file", "pipe"])
def test_standard_output_goes_on_where_it_was(tmp_path: Path, into: str) -> None:
    program = "from sampleformer.files import *; from sampleformer.output_paths import check_output; print('before')\n"
    program += "write_text(check_output('/dev/stdout'), 'text\\n'); print('after')"
    if into == "pipe":
        found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    else:
        with (tmp_path / "out").open("w") as file:
            subprocess.run([sys.executable, "-c", program], stdout=file, check=True)
        found = (tmp_path / "out").read_text()
    assert found == "before\ntext\nafter\n"


def test_a_folder_that_another_made_meanwhile_stays(tmp_path: Path) -> None:
    place = tmp_path / "set"
    with made_whole(place) as part:
        (part / "a").write_text("mine")
        assert not place.exists()
        with made_whole(tmp_path / "other") as other:
            (other / "a").write_text("beside it")
        place.mkdir()
        (place / "a").write_text("theirs")
    assert (place / "a").read_text() == "theirs"
    assert {path.name for path in tmp_path.iterdir()} == {"set", "other"}

    def fail() -> None:
        with made_whole(tmp_path / "third") as part:
            (part / "a").write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match=r"third: cannot be written \(No space left on device\)"):
        fail()
    assert {path.name for path in tmp_path.iterdir()} == {"set", "other"}


def test_errors_of_the_content_pass(tmp_path: Path) -> None:
    def fail(error: Exception) -> None:
        with written_whole(tmp_path / "a"):
            raise error

    for error in (RuntimeError("no gradient"), ValueError("no number"), KeyError("a")):
        with pytest.raises(type(error)):
            fail(error)
    write_bytes(tmp_path / "a", np.zeros(3).tobytes())
    save_file({"a": torch.zeros(2)}, tmp_path / "b")
