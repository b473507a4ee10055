"""What compressed files may unpack to, checked before memory is taken for it.

One policy for all formats: a file may unpack to a hundred times its size, and any file to 256 MiB. Text and arrays
shrink to a tenth, seldom to a fiftieth; what shrinks further holds little but zeros, or was made to fill the memory of
whoever opens it. ``SAMPLEFORMER_UNPACK_LIMIT`` (bytes, or ``8G``) takes the place of both numbers.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import re
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from sampleformer.errors import InputError
from sampleformer.reading import check_file, open_file, reading

MOST_TIMES = 100
"""A file may unpack to so many times its size."""
ALWAYS_TAKEN = 256 * 2**20
"""Bytes that any file may unpack to."""
LIMIT_VARIABLE = "SAMPLEFORMER_UNPACK_LIMIT"
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_LAST_CHARACTER = 0x10FFFF
_SINGLE = np.lib.format.MAGIC_PREFIX


def unpack_limit(stored: int) -> int:
    """Bytes that a file may unpack to.

    Args:
        stored: bytes of the file.

    Raises:
        InputError: if ``SAMPLEFORMER_UNPACK_LIMIT`` is no size.

    Example:
        >>> unpack_limit(10**9)
        100000000000
    """
    chosen = os.environ.get(LIMIT_VARIABLE)
    if chosen is None:
        return max(ALWAYS_TAKEN, MOST_TIMES * stored)
    found = re.fullmatch(r"(\d{1,15})\s*([KMGT]?)(?:i?B)?", chosen.strip(), re.IGNORECASE)
    if not found:
        raise InputError(f"{LIMIT_VARIABLE}: found {chosen!r}, expected a number of bytes, or such as 500M or 8G")
    return int(found[1]) * _UNITS[found[2].upper()]


def check_unpacked(path: str | os.PathLike[str], claimed: int, stored: int | None = None, place: str = "") -> None:
    """Refuses what would unpack to more than may be, before any memory is taken for it.

    Args:
        path: of the file.
        claimed: bytes that it says it unpacks to.
        stored: bytes that it takes in the file. None: the size of the file.
        place: where in the file: "array 'points'".

    Raises:
        InputError: if that is more than `unpack_limit`.
    """
    stored = os.path.getsize(path) if stored is None else stored
    limit = unpack_limit(stored)
    if claimed > limit:
        raise InputError(
            f"{path}: {f'{place}: ' if place else ''}{stored:,} bytes would unpack to {claimed:,}, expected at most "
            f"{limit:,}; if you trust the file, set {LIMIT_VARIABLE}"
        )


class _Unpacked(io.RawIOBase):
    """A stream of what a gzip file unpacks to, up to the limit."""

    def __init__(self, path: str | os.PathLike[str], kind: str) -> None:
        self._stored = open_file(path)
        self._path = path
        self._kind = kind
        self._stream = gzip.GzipFile(fileobj=self._stored)
        self._limit = unpack_limit(os.fstat(self._stored.fileno()).st_size)
        self._taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        with reading(self._path, self._kind):
            try:
                count = self._stream.readinto(buffer)
            except EOFError as error:
                message = f"{self._path}: the gzip file is cut short (it ends before its end marker)"
                raise InputError(message) from error
        self._taken += count
        if self._taken > self._limit:
            check_unpacked(self._path, self._taken)
        return count

    def close(self) -> None:
        self._stream.close()
        self._stored.close()
        super().close()


def open_gzip(path: str | os.PathLike[str], kind: str = "a valid gzip file") -> BinaryIO:
    """A stream of what a gzip file unpacks to; only what is read of it is in memory.

    Args:
        path: of the file.
        kind: what it should be, with its article.

    Raises:
        InputError: here or while it is read, if it cannot be read, is damaged or cut short, or unpacks to more than
            `unpack_limit`.
    """
    return cast(BinaryIO, io.BufferedReader(_Unpacked(path, kind), 1 << 20))


def read_bytes(path: Path, *, compressed: bool = False) -> bytes:
    """A file's content, decompressed.

    Raises:
        InputError: if it cannot be read, is cut short or empty, or unpacks to more than `unpack_limit`.
    """
    with open_gzip(path) if compressed else open_file(path) as file, reading(path, "a file"):
        content = file.read()
    if not content.strip():
        raise InputError(f"{path}: the file is empty")
    return content


@contextmanager
def open_zip(path: str | os.PathLike[str], kind: str = "a valid .zip archive") -> Iterator[zipfile.ZipFile]:
    """A zip archive whose members may be read: together they unpack to no more than `unpack_limit`, none is encrypted.

    The block is guarded as by `reading`. A member never gives more bytes than its entry says.

    Args:
        path: of the archive.
        kind: what it should be, with its article.

    Raises:
        InputError: if it cannot be read, is damaged or encrypted, or unpacks to too much.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "a.zip")
        >>> with zipfile.ZipFile(path, "w") as made:
        ...     made.writestr("a.txt", "text")
        >>> with open_zip(path) as archive:
        ...     archive.read("a.txt")
        b'text'
    """
    check_file(path)
    with open_file(path) as file, reading(path, kind), zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        check_unpacked(path, sum(member.file_size for member in members))
        locked = next((member.filename for member in members if member.flag_bits & 1), None)
        if locked is not None:
            raise InputError(f"{path}: {locked!r} is encrypted, expected an archive without a password")
        yield archive


def read_array(content: bytes, path: str | os.PathLike[str], place: str = "") -> np.ndarray:
    """The array in the content of an NPY file: numbers or texts, never Python objects.

    Args:
        content: of the file, or of an archive's member.
        path: of the file, for messages.
        place: where in the file: "array 'points'".

    Raises:
        InputError: if it is no such array, or its header does not claim exactly the bytes that are there.
    """
    with reading(path, "a valid NPY file of numbers or texts", place):
        stream = io.BytesIO(content)
        headers: dict[tuple[int, int], Callable[..., tuple[tuple[int, ...], bool, np.dtype]]] = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        version = np.lib.format.read_magic(stream)
        if version not in headers:
            raise ValueError(f"found version {version}, expected 1.0 or 2.0")
        shape, by_column, dtype = headers[version](stream)
        if dtype.hasobject or dtype.names is not None or dtype.subdtype is not None:
            raise ValueError("found objects or records, expected plain numbers or texts")
        stored, count = len(content) - stream.tell(), math.prod(shape)
        if min(shape, default=0) < 0 or count * dtype.itemsize != stored or (count and not dtype.itemsize):
            expected = f"{count * dtype.itemsize} for shape {shape} of {dtype}"
            raise ValueError(f"cut short or damaged: found {stored} bytes of values, expected {expected}")
        if dtype.kind == "U" and stored:
            codes = np.frombuffer(content, np.dtype(np.uint32).newbyteorder(dtype.byteorder), offset=stream.tell())
            if codes.max() > _LAST_CHARACTER:
                raise ValueError("found a text with a character that does not exist")
        values = np.frombuffer(content, dtype, count, stream.tell()) if stored else np.empty(count, dtype)
        return (values.reshape(shape[::-1]).T if by_column else values.reshape(shape)).copy()


def read_arrays(
    path: str | os.PathLike[str], names: Collection[str] | None = None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Arrays of an NPZ archive.

    Args:
        path: of the archive.
        names: of the arrays that are read, if they are there. None: all.

    Returns:
        The arrays by name, and the names of all that are there.

    Raises:
        InputError: if it is no archive of plain arrays, is damaged, or unpacks to more than `unpack_limit`.
    """
    with open_file(path) as file:
        if file.read(len(_SINGLE)) == _SINGLE:
            raise InputError(f"{path}: found a single array, expected an NPZ file with named arrays")
    with open_zip(path, "a valid NPZ file") as archive:
        members = {member.removesuffix(".npy"): member for member in archive.namelist()}
        wanted = {name: member for name, member in members.items() if names is None or name in names}
        arrays = {name: read_array(archive.read(member), path, f"array {name!r}") for name, member in wanted.items()}
    return arrays, list(members)
