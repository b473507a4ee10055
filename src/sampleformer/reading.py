"""Files from anywhere, read so that whatever is wrong with one is an `InputError` of one line."""

from __future__ import annotations

import csv
import errno
import lzma
import os
import pickle
import stat
import struct
import tarfile
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO

from sampleformer.errors import InputError, one_line

_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,  # RecursionError and NotImplementedError too
    StopIteration,
    SyntaxError,
    SystemError,
    TypeError,
    ValueError,  # UnicodeError too
    csv.Error,
    lzma.LZMAError,
    pickle.PickleError,
    struct.error,
    tarfile.TarError,
    tokenize.TokenError,  # numpy's headers are Python
    zipfile.BadZipFile,
    zlib.error,
)
# By name, since a package that is not installed cannot be imported. A panic of pyo3_runtime (of a package written in
# Rust, as laspy's decoder is) does not even derive from Exception.
_FAULTS_OF_PACKAGES = ("laspy", "lazrs", "pyarrow", "pyo3_runtime", "safetensors", "safetensors_rust", "yaml")


def is_fault(error: BaseException) -> bool:
    """Whether an error is of the kinds that packages raise at a damaged file. Ctrl-C and ``sys.exit`` are not."""
    return isinstance(error, _FAULTS) or type(error).__module__.partition(".")[0] in _FAULTS_OF_PACKAGES


def is_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the machine or of a GPU, did not suffice."""
    # torch has a RuntimeError for it: of its own for a GPU, told by its words alone for the rest.
    words = ("DefaultCPUAllocator", "out of memory")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(w in str(error) for w in words))


def fault_words(error: BaseException, kind: str) -> str:
    """One line for what reading a file raised.

    Args:
        error: what was raised.
        kind: what the file should be: "a valid LAS file".
    """
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "found a folder, expected a file"
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"cannot be read ({error.strerror})"
    if is_of_memory(error):
        return f"needs more memory than there is, or is not {kind}"
    if isinstance(error, RecursionError):
        return f"nested too deeply, expected {kind}"
    if isinstance(error, EOFError):
        return f"cut short, expected {kind}"
    return f"not {kind} ({one_line(str(error) or type(error).__name__, 300)})"


class reading:
    """Guard around everything that reads a file: what a package or this one raises becomes one `InputError`.

    Every reader goes through it, so that `_FAULTS` is the only list of what a damaged file may raise. An `InputError`
    passes as it is, and so does what no file can cause, such as Ctrl-C.

    Args:
        path: of the file, as messages name it.
        kind: what the file should be, with its article.
        place: where in the file: "array 'points'". Empty: not known.

    Raises:
        InputError: in one line, with file, place and reason, for whatever was raised in the block.

    Example:
        A reader; rows have a guard of the same kind, `sampleformer.tables.report.RowReport.reading`, which leaves the
        row out with ``--on-error skip``.

        >>> def read_numbers(path):
        ...     with reading(path, "a valid file of numbers"), open(path, "rb") as file:
        ...         return struct.unpack("<2d", file.read())
        >>> read_numbers("missing.bin")
        Traceback (most recent call last):
        sampleformer.errors.InputError: missing.bin: no such file
    """

    def __init__(self, path: str | os.PathLike[str], kind: str, place: str = "") -> None:
        self._where = f"{path}: {place}: " if place else f"{path}: "
        self._kind = kind

    def __enter__(self) -> None:
        """Nothing happens until something is raised."""

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises InputError in the place of a fault."""
        if error is not None and not isinstance(error, InputError) and is_fault(error):
            raise InputError(f"{self._where}{fault_words(error, self._kind)}") from error


class reading_row:
    """Guard around what reads one row: a fault is reported, which stops the reading or leaves the row out.

    Args:
        path: of the file, which need not be named again in a row's message.
        kind: what the row should hold, with its article.
        report: is given the message; returns if the row is to be left out.
    """

    def __init__(self, path: str | os.PathLike[str], kind: str, report: Callable[[str], None]) -> None:
        self._path = path
        self._kind = kind
        self._report = report

    def __enter__(self) -> None:
        """Nothing happens until something is raised."""

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Reports a fault; True, so that the program goes on behind the block, if the report returns."""
        if error is None or not (isinstance(error, InputError) or is_fault(error)):
            return False
        if isinstance(error, InputError):
            self._report(str(error).removeprefix(f"{self._path}: "))
        else:
            self._report(fault_words(error, self._kind))
        return True


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """A file that is opened for reading bytes.

    Raises:
        InputError: if it is missing, a folder, a device, or cannot be read.
    """
    with reading(path, "the name of a file"):
        if stat.S_ISCHR(os.stat(path).st_mode):
            raise InputError(f"{path}: found a device, expected a file")
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        return open(path, "rb")


def check_file(path: str | os.PathLike[str]) -> None:
    """Looks whether there is anything to read, before a package opens a file by its path.

    Raises:
        InputError: if the file cannot be opened or is empty.
    """
    with open_file(path) as file, reading(path, "a file"):
        if not file.read(1):
            raise InputError(f"{path}: the file is empty")
