"""The files that a path of the user stands for."""

import os
from collections.abc import Sequence
from pathlib import Path

_NOT_DATA = {"thumbs.db", "desktop.ini"}


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
