"""The files that a path of the user stands for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sampleformer.data.cache import sha256
from sampleformer.reading import check_file, reading
from sampleformer.settings import Settings

_NOT_DATA = {"thumbs.db", "desktop.ini"}
_READERS = 8  # files that are read at a time


class FilesState(Settings):
    """What tells files of the user from others.

    Args:
        count: Number of files.
        bytes: Their size.
        sha256: SHA-256 of the file; of several, of the sorted list of their names, sizes and SHA-256.
    """

    count: int
    bytes: int
    sha256: str

    @classmethod
    def of(cls, paths: Iterable[Path]) -> FilesState:
        """The state of files as they are now.

        Raises:
            InputError: if one cannot be read.
        """
        paths = sorted(paths)
        with ThreadPoolExecutor(_READERS) as pool:
            found = list(pool.map(_sized, paths))
        if len(paths) == 1:
            return cls(count=1, bytes=found[0][0], sha256=found[0][1])
        whole, base = hashlib.sha256(), common_folder(paths)
        for path, (size, digest) in zip(paths, found, strict=True):
            name = Path(os.path.relpath(path, base)).as_posix()
            whole.update(f"{name}\0{size}\0{digest}\n".encode(errors="surrogateescape"))
        return cls(count=len(paths), bytes=sum(size for size, _ in found), sha256=whole.hexdigest())


def common_folder(paths: Sequence[Path]) -> str:
    """The folder that all files are in."""
    return os.path.commonpath([os.path.abspath(path) for path in paths]) if paths else ""


def _sized(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    check_file(path)
    with reading(path, "a file"):
        return path.stat().st_size, sha256(path)


def files_at(path: str | os.PathLike[str], suffixes: Sequence[str] = ()) -> list[Path]:
    """A file itself, or the files of data in a folder and the folders in it, sorted.

    Hidden files, what systems leave in folders, and run folders are no data. Links are followed.

    Args:
        path: Path of a file or folder; nothing is there: no files.
        suffixes: Ends of the names, in small letters. Empty: all.
    """
    place = Path(path)
    if not place.is_dir():
        return [place] if place.exists() else []
    found: list[Path] = []
    seen = set()
    for folder, inner, names in os.walk(place, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen or {"config.yaml", "run.json"} <= set(names):  # links may lead in circles
            inner.clear()
            continue
        seen.add(real)
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        found += [
            Path(folder, name)
            for name in names
            if not name.startswith(".")
            and name.lower() not in _NOT_DATA
            and (not suffixes or name.lower().endswith(tuple(suffixes)))
        ]
    return sorted(path for path in found if path.is_file())
