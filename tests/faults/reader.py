"""What a reader is, for the tests that damage its files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Reader:
    """A way to read a file.

    Args:
        target: Name of the file that is damaged.
        make: Writes it, and whatever lies beside it, into a folder.
        read: Reads it there. Second argument: "stop" or "skip" at a wrong row.
    """

    target: str
    make: Callable[[Path], Any]
    read: Callable[[Path, str], Any]

    def prepare(self, folder: Path) -> bytes:
        """Makes the files in a folder; the content of the one that is damaged."""
        folder.mkdir(parents=True, exist_ok=True)
        self.make(folder)
        return (folder / self.target).read_bytes()


READERS: dict[str, Reader] = {}


def reader(name: str, target: str, make: Callable[[Path], Any]) -> Callable[[Callable[[Path, str], Any]], None]:
    """Registers what reads a file."""

    def register(read: Callable[[Path, str], Any]) -> None:
        READERS[name] = Reader(target, make, read)

    return register


def zipped(path: Path, files: dict[str, str | bytes]) -> None:
    """Writes a .zip archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
