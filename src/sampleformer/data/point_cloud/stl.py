"""STL files: triangles, in text or binary."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.text_rows import TextRow, text_rows, to_numbers
from sampleformer.errors import InputError, shown
from sampleformer.unpacking import read_bytes

_HEADER = 84  # bytes: a text of 80, and the number of triangles
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
# What each line of a triangle starts with; the words behind follow for the first two.
_LINES = (("facet", "normal"), ("outer", "loop"), ("vertex",), ("vertex",), ("vertex",), ("endloop",), ("endfacet",))


def read_stl(path: Path) -> tuple[np.ndarray, bool]:
    """The corners of the triangles of an STL file.

    Args:
        path: Path of the file.

    Returns:
        (triangles, 3, 3) float64, and whether there are attributes of triangles, such as colours, which are not used.

    Raises:
        InputError: if it is neither a binary file of exactly as many triangles as its header says nor a whole text.

    Source: 3D Systems 1989, "StereoLithography Interface Specification".
    """
    content = read_bytes(path)
    count = struct.unpack_from("<I", content, 80)[0] if len(content) >= _HEADER else 0
    size = _HEADER + count * _TRIANGLE.itemsize
    text = content.lstrip()[:5].lower() == b"solid"
    if len(content) >= _HEADER and (len(content) == size or not text):
        if len(content) < size:
            found = f"found {len(content)} bytes, too few for {count} triangles as in the header"
            raise InputError(f"{path}: cut short: {found}")
        if content[size:].strip(b"\0 \t\r\n"):
            found = f"found {len(content) - size} bytes behind {count} triangles"
            raise InputError(f"{path}: {found}, expected as many triangles as the header says")
        triangles = np.frombuffer(content, _TRIANGLE, count, _HEADER)
        return triangles["corners"].astype(np.float64), bool(triangles["attribute"].any())
    if not text:
        raise InputError(f"{path}: found {shown(content[:20].decode('latin-1'))}, expected an STL file")
    return _triangles(path, text_rows(path, content, ())), False


def _triangles(path: Path, rows: list[TextRow]) -> np.ndarray:
    corners: list[TextRow] = []
    line = 0  # of the triangle that is read
    open_solid = False
    for row in rows:
        words = [word.lower() for word in row.fields[:2]]
        expected = ("solid",) if not open_solid else _LINES[line]
        if tuple(words[: len(expected)]) == expected:
            if expected == ("vertex",):
                corners.append(row)
            line = (line + 1) % len(_LINES) if open_solid else 0
            open_solid = True
        elif open_solid and line == 0 and words[0] == "endsolid":
            open_solid = False
        else:
            found = f"line {row.line}: found {shown(' '.join(row.fields))}"
            raise InputError(f"{path}: {found}, expected {' '.join(expected)}")
    if open_solid:
        raise InputError(f"{path}: cut short: the file ends in line {rows[-1].line} without endsolid")
    return to_numbers(path, corners, 1, 4).reshape(-1, 3, 3)
