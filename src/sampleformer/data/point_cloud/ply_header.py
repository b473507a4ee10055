"""The header of a PLY file: its elements and what their data are."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sampleformer.errors import shown

_TYPES = {
    ("char", "int8"): "i1",
    ("uchar", "uint8"): "u1",
    ("short", "int16"): "i2",
    ("ushort", "uint16"): "u2",
    ("int", "int32"): "i4",
    ("uint", "uint32"): "u4",
    ("float", "float32"): "f4",
    ("double", "float64"): "f8",
}
_KINDS = {name: kind for names, kind in _TYPES.items() for name in names}
_FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
CORNERS = ("vertex_indices", "vertex_index")
_FLOATS = ("f4", "f8")
COUNT = re.compile(r"\d{1,18}", re.ASCII)


class Property(NamedTuple):
    """A number of an element; a list of them if `length` is the type of the list's length."""

    name: str
    kind: str
    length: str | None = None


@dataclass(frozen=True)
class Element:
    """A table of a PLY file: name, number of rows and properties of each."""

    name: str
    rows: int
    properties: list[Property]


@dataclass(frozen=True)
class Header:
    """What a PLY file says of itself.

    Args:
        order: Order of bytes, as numpy writes it. Empty: the data is text.
        elements: Elements in the order of their data.
        end: Where the data starts, in bytes.
        lines: Number of lines.
    """

    order: str
    elements: tuple[Element, ...]
    end: int
    lines: int

    @classmethod
    def of(cls, content: bytes) -> Header:
        """Reads the header.

        Args:
            content: Content of the file.

        Raises:
            ValueError: if it is no header of a PLY file.
        """
        first = re.match(rb"ply[ \t]*(\r\n|\n|\r)", content)
        if first is None:
            raise ValueError(f"found {content[:10]!r}, expected a PLY file that starts with the line ply")
        last = re.compile(rb"(?:^|(?<=[\r\n]))end_header[ \t]*(?:" + re.escape(first[1]) + rb"|$)").search(content)
        if last is None:
            raise ValueError("cut short: found no line end_header, expected it behind the elements")
        lines = content[: last.start()].decode("utf-8", "surrogateescape").split(first[1].decode())
        order: str | None = None
        elements: list[Element] = []
        for number, line in enumerate(lines[1:], start=2):
            words = line.split()
            if not words or words[0] in ("comment", "obj_info"):
                continue
            try:
                if words[0] == "format":
                    order = _FORMATS[words[1]]
                elif words[0] == "element":
                    elements.append(Element(words[1], _count(words[2]), []))
                elif words[0] == "property" and elements:
                    elements[-1].properties.append(_property(words))
                else:
                    raise KeyError(words[0])
            except (KeyError, IndexError) as error:
                raise ValueError(f"line {number}: found {shown(line)}, expected a line of a PLY header") from error
        if order is None:
            raise ValueError("found no line format in the header, expected a PLY file")
        names = [element.name for element in elements]
        if len(set(names)) < len(names) or "vertex" not in names:
            raise ValueError(f"found the elements {shown(' '.join(names))}, expected vertex, each once")
        for element in elements:
            counts = Counter(each.name for each in element.properties)
            if counts and (most := counts.most_common(1)[0])[1] > 1:
                raise ValueError(
                    f"found the property {shown(most[0])} of {shown(element.name)} twice, expected it once"
                )
        return cls(order, tuple(elements), last.end(), len(lines))


def _count(text: str) -> int:
    if not COUNT.fullmatch(text):
        raise KeyError(text)
    return int(text)


def _property(words: list[str]) -> Property:
    if words[1] != "list":
        return Property(words[2], _KINDS[words[1]])
    found = Property(words[4], _KINDS[words[3]], _KINDS[words[2]])
    if found.length in _FLOATS or (found.name in CORNERS and found.kind in _FLOATS):
        raise KeyError(words[2])
    return found


def check_corners(sizes: np.ndarray) -> None:
    """Raises ValueError if a face has so few corners that it is none."""
    if (sizes < 3).any():
        row = int(np.argmax(sizes < 3))
        raise ValueError(f"face {row + 1} has {sizes[row]} corners, expected at least 3")
