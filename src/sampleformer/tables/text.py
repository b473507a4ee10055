"""Text files as lines, however they are packed and encoded."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sampleformer.errors import InputError
from sampleformer.reading import open_file, reading
from sampleformer.tables.kinds import BYTE_ORDER_MARKS, GZIP, other_kind
from sampleformer.unpacking import open_gzip

logger = logging.getLogger("sampleformer")

_HEAD = 1 << 16
_BROKEN = re.compile("[\udc80-\udcff]")  # how the "surrogateescape" handler marks bytes that cannot be decoded


@dataclass(frozen=True)
class TextFile:
    """A text file of which the first bytes are known.

    Args:
        path: Path of the file.
        packed: Whether it is a gzip file.
        encoding: Encoding of the text.
        head: First characters.
        whole: Whether these are all.
    """

    path: Path
    packed: bool
    encoding: str
    head: str
    whole: bool

    @classmethod
    def open(cls, path: Path, *, packed: bool = False, encoding: str | None = None) -> TextFile:
        """Looks at the first bytes of a file.

        Args:
            path: Path of the file.
            packed: Whether the name says that it is a gzip file. Others are unpacked too if they are.
            encoding: Encoding of the text. None: as the byte order mark says, else UTF-8.

        Raises:
            InputError: if the file cannot be read, is empty, or is no text; the message names what it is.
        """
        if not packed:
            with open_file(path) as file, reading(path, "a file"):
                packed = file.read(len(GZIP)) == GZIP
        with _opened(path, packed) as file, reading(path, "a file"):
            head = file.read(_HEAD)
        if not head.strip():
            raise InputError(f"{path}: the file is empty")
        if (problem := other_kind(head)) is not None:
            raise InputError(f"{path}: {problem}")
        marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)
        if marked is None and encoding is None and (found := _wide(head)):
            raise InputError(f"{path}: found text in UTF-16 without its mark, expected UTF-8; give --encoding {found}")
        chosen = marked if encoding is None or _same(encoding, marked) else encoding
        if encoding is None and marked not in (None, "utf-8-sig"):
            logger.info("%s: text in %s", path, str(marked).upper())
        return cls(path, packed, chosen or "utf-8", head.decode(chosen or "utf-8", "replace"), len(head) < _HEAD)

    def lines(self) -> Iterator[str]:
        """Lines with their ends, a line feed, a carriage return or both; only one is in memory.

        A byte that cannot be decoded is there as a character that `broken` finds.

        Raises:
            InputError: if the text cannot be read any further.
        """
        wide = self.encoding.startswith(("utf-16", "utf-32"))
        errors = "strict" if wide else "surrogateescape"
        with _opened(self.path, self.packed) as file, reading(self.path, f"text in {self.encoding.upper()}"):
            yield from io.TextIOWrapper(file, self.encoding, errors, newline="")

    def broken(self, text: str) -> str | None:
        """Words for the first byte of a line or field that could not be decoded; None if there is none."""
        found = None if text.isascii() else _BROKEN.search(text)
        if found is None:
            return None
        name = "UTF-8" if self.encoding.startswith("utf-8") else self.encoding
        remedy = "; a file from Windows may be read with --encoding cp1252" if name == "UTF-8" else ""
        return f"byte 0x{ord(found[0]) - 0xDC00:02x} is not {name}{remedy}"


def _opened(path: Path, packed: bool) -> BinaryIO:
    return open_gzip(path) if packed else open_file(path)


def _same(encoding: str, marked: str | None) -> bool:
    """Whether an encoding is the marked one but for its byte order or mark."""
    plain = encoding.lower().replace("_", "-").replace("utf8", "utf-8").replace("utf16", "utf-16")
    return marked is not None and plain.startswith(marked.removesuffix("-sig"))


def _wide(head: bytes) -> str | None:
    """The byte order of text in which every other byte is zero; None if it is not so."""
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(head) > 3 and head[start::2].count(0) > 0.4 * len(head) and head[1 - start :: 2].count(0) == 0:
            return name
    return None
