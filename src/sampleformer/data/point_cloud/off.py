"""OFF files, those of ModelNet with their broken header among them."""

import re
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.mesh import fan
from sampleformer.data.point_cloud.text_rows import TextRow, text_rows, to_integers, to_numbers
from sampleformer.errors import InputError

# Texture coordinates, colours and normals of a vertex come after its coordinates; 4OFF and nOFF have other dimensions.
_HEADER = re.compile(r"(ST)?C?N?OFF(?=$|[\s\d])", re.IGNORECASE)


def read_off(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of an OFF file.

    Tolerated: counts in the line of the word OFF, also without a blank (``OFF490 518 0``, as in ModelNet), no number of
    edges, comments, anything after a vertex's coordinates or a face's corners. Polygons become fans of triangles.

    Args:
        path: the file.

    Returns:
        (v, 3) float64 and (f, 3) int64.

    Raises:
        InputError: if the file is no text in this format.

    Source: Geomview's manual, "OFF Files"; Princeton ModelNet's files.
    """
    rows = text_rows(path)
    if not rows:
        raise InputError(f"{path}: found only comments, expected an OFF file")
    head = " ".join(rows[0].fields)
    found = _HEADER.match(head)
    rest = head[found.end() :].split() if found else []
    if found is None or rest[:1] == ["BINARY"]:
        raise InputError(
            f"{path}: line {rows[0].line}: found {head[:40]!r}, expected OFF, in ASCII and three dimensions"
        )
    if rest:
        rows[0] = TextRow(rows[0].line, rest)
    else:
        del rows[0]
    if not rows:
        raise InputError(f"{path}: found no line after the header, expected the numbers of vertices and faces")
    vertices, faces = to_integers(path, rows[:1], 0, 2)[0].tolist()
    if vertices < 0 or faces < 0:
        raise InputError(f"{path}: line {rows[0].line}: found {vertices} vertices and {faces} faces, expected no minus")
    if len(rows) - 1 < vertices + faces:
        announced = f"{vertices} vertices and {faces} faces (line {rows[0].line})"
        raise InputError(f"{path}: found {len(rows) - 1} lines after the counts, expected {announced}")
    return to_numbers(path, rows[1 : 1 + vertices], 0, 3), _triangles(path, rows[1 + vertices : 1 + vertices + faces])


def _triangles(path: Path, rows: list[TextRow]) -> np.ndarray:
    """Triangles of face rows, each a number of corners and the corners, in the order of the rows."""
    corners = to_integers(path, rows, 0, 1)[:, 0]
    if (corners < 3).any():
        row = int(np.argmax(corners < 3))
        raise InputError(f"{path}: line {rows[row].line}: found a face of {corners[row]} corners, expected at least 3")
    triangles, origins = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.int64)]
    for count in np.unique(corners).tolist():
        of_count = np.flatnonzero(corners == count)
        triangles.append(fan(to_integers(path, [rows[row] for row in of_count], 1, 1 + count)))
        origins.append(np.repeat(of_count, count - 2))
    order = np.argsort(np.concatenate(origins), kind="stable")
    return np.concatenate(triangles)[order]
