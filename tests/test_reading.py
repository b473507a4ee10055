"""The guard around everything that reads a file."""

import csv
import errno
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
import yaml

from sampleformer.errors import InputError
from sampleformer.reading import check_file, open_file, reading
from sampleformer.tables.report import RowReport

PanicException = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
LibraryError = type("LibraryError", (Exception,), {"__module__": "pyarrow.lib"})
FAULTS = [
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    OverflowError("too large"),
    ZeroDivisionError("division by zero"),
    IndexError("out of range"),
    KeyError("x"),
    AttributeError("no attribute"),
    AssertionError(),
    StopIteration(),
    TypeError("no number"),
    SystemError("no result"),
    RuntimeError("bad member"),
    NotImplementedError("method 99"),
    BufferError("too small"),
    csv.Error("line contains NUL"),
    lzma.LZMAError("corrupt"),
    pickle.UnpicklingError("bad"),
    struct.error("needs 8 bytes"),
    tarfile.ReadError("bad header"),
    zipfile.BadZipFile("bad magic"),
    zlib.error("invalid block"),
    yaml.YAMLError("bad token"),
    LibraryError("invalid thrift"),
    PanicException("attempt to subtract with overflow"),
]


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_every_fault_of_a_file_is_one_line(error: BaseException) -> None:
    words = r"^scan.las: point 3: not a valid LAS file \(.+\)$"
    with pytest.raises(InputError, match=words) as caught, reading("scan.las", "a valid LAS file", "point 3"):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_a_fault_of_a_row_leaves_the_row_out(error: BaseException) -> None:
    report = RowReport("a.csv", lambda row: f"row {row + 1}", on_error="skip")
    with report.reading(4, "a valid molecule"):
        raise error
    assert report.wrong[4].startswith("not a valid molecule (")
    stopping = RowReport("a.csv", lambda row: f"row {row + 1}")
    words = r"^a.csv: row 5: not a valid molecule \("
    with pytest.raises(InputError, match=words), stopping.reading(4, "a valid molecule"):
        raise error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("cut\n short"), r"scan.las: not a valid LAS file \(cut short\)"),
        (MemoryError(), "scan.las: needs more memory than there is, or is not a valid LAS file"),
        (RecursionError(), "scan.las: nested too deeply, expected a valid LAS file"),
        (EOFError(), "scan.las: cut short, expected a valid LAS file"),
        (FileNotFoundError(errno.ENOENT, "gone"), "scan.las: no such file"),
        (PermissionError(errno.EACCES, "Permission denied"), r"scan.las: cannot be read \(Permission denied\)"),
        (InputError("scan.las: row 3: no number"), "^scan.las: row 3: no number$"),
        (ValueError("a\x1b[2J\ud800" + "b" * 1000), r"\(a\\x1b\[2J\\ud800b{200,300} …\)$"),
    ],
)
def test_words_for_a_fault(error: Exception, words: str) -> None:
    with pytest.raises(InputError, match=words), reading("scan.las", "a valid LAS file"):
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, ImportError])
def test_what_no_file_can_cause_passes(error: type[BaseException]) -> None:
    report = RowReport("a.csv", str, on_error="skip")
    with pytest.raises(error), reading("scan.las", "a valid LAS file"):
        raise error
    with pytest.raises(error), report.reading(0, "a number"):
        raise error


def test_a_row_names_its_file_once() -> None:
    report = RowReport("a.csv", lambda row: f"row {row + 1}")
    with pytest.raises(InputError, match=r"^a.csv: row 1: no such atom$"), report.reading(0, "a molecule"):
        raise InputError("a.csv: no such atom")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none", "no such file"),
        (".", "found a folder"),
        ("a\0b", r"not the name of a file \(embedded null byte\)"),
        ("n" * 300, "File name too long"),
        ("/dev/null", "found a device"),
        ("there/below", "Not a directory"),
    ],
)
def test_paths_that_cannot_be_opened(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "there").write_text("x")
    for opened in (open_file, check_file):
        with pytest.raises(InputError, match=words) as caught:
            opened(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(InputError, match="a: the file is empty"):
        check_file(tmp_path / "a")
