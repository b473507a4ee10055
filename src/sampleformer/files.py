"""Files that are whole or absent."""

import csv
import hashlib
import itertools
import json
import math
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from sampleformer.output_paths import is_stream, output_errors, stream_number

_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
_PART = re.compile(r"\.sampleformer-[0-9a-f]{8}-([0-9a-f]{8})-(\d+)-\d+\.part")
_parts: set[Path] = set()  # those that this process is writing
_numbers = itertools.count()


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside a file's own, which takes its name when the block ends well, so that no reader sees half of it.

    The content is on the disk before it takes the name. What a killed process left beside it is removed. A link is
    followed; into a device or a pipe the content is copied at the end.

    Raises:
        InputError: if it cannot be written; what was there before is then still there.
    """
    path = Path(path)
    with output_errors(str(path)):
        if is_stream(path):
            with tempfile.TemporaryDirectory() as folder:
                part = Path(folder, "part")
                yield part
                _copy_into(part, path)
            return
        place = Path(os.path.realpath(path))
        part = _part_of(place)
        try:
            yield part
            _sync(part)
            os.replace(part, place)
            _sync(place.parent)
        finally:
            _forget(part)


@contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """A new folder beside a folder's place, which takes its name when the block ends well.

    If another process has made the folder meanwhile, that one stays and this one is dropped.

    Raises:
        InputError: if it cannot be written.
    """
    with output_errors(str(folder)):
        part = _part_of(folder)
        part.mkdir()
        try:
            yield part
            if hasattr(os, "sync"):
                os.sync()  # thousands of files, one by one, take minutes
            try:
                part.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
            _sync(folder.parent)
        finally:
            _forget(part)


def is_part(path: Path) -> bool:
    """Whether a file or folder is one that was not finished, which a killed process may leave."""
    return _PART.fullmatch(path.name) is not None


def _part_of(place: Path) -> Path:
    """The name that a file or folder has while it is made; what killed processes left beside it is removed."""
    _sweep(place.parent)
    name = hashlib.sha256(os.fsencode(place.name)).hexdigest()[:8]  # the place's own may have no room for more
    part = place.with_name(f".sampleformer-{name}-{_HOST}-{os.getpid()}-{next(_numbers)}.part")
    _parts.add(part)
    return part


def _forget(part: Path) -> None:
    """Removes a part; that it cannot be removed hides no other error."""
    _parts.discard(part)
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    with suppress(OSError):
        for part in folder.iterdir():
            found = _PART.fullmatch(part.name)
            if found and found[1] == _HOST and part not in _parts and not _is_running(int(found[2])):
                _forget(part)


def _is_running(process: int) -> bool:
    if process == os.getpid():
        return False  # it would be among the parts of this process
    if os.name != "posix":
        return True  # there, asking with a signal would end the process
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name != "posix":
        return  # elsewhere a folder cannot be opened
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_into(part: Path, stream: Path) -> None:
    number = stream_number(stream)
    if number is not None:  # opened anew, a file behind it would be cut and written from its start
        for own in (sys.stdout, sys.stderr):
            own.flush()
    with part.open("rb") as content, open(stream if number is None else os.dup(number), "wb") as target:
        shutil.copyfileobj(content, target)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a whole file."""
    with written_whole(path) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Writes a whole file, in UTF-8 and with the line ends that the text has; half a character becomes its escape."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes values as JSON; not-a-number becomes null."""
    write_text(path, json.dumps(_plain(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows as CSV as they come; what a row lacks is left empty, half a character becomes its escape."""
    with (
        written_whole(path) as part,
        part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.DictWriter(_LineEnds(file), columns, restval="", lineterminator=_LineEnds.WRITTEN)
        writer.writeheader()
        writer.writerows(rows)


class _LineEnds:
    r"""Ends lines with ``\n`` for a csv writer, which quotes ``\r`` only if it thinks that lines end with ``\r\n``."""

    WRITTEN = "\r\n"

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        """Writes a line."""
        return self._file.write(line.removesuffix(self.WRITTEN) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
