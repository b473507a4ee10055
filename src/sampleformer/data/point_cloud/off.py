"""OFF files, those of ModelNet with their broken header among them."""

import re
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.mesh import polygons_to_triangles, rows_by_size
from sampleformer.data.point_cloud.text_rows import TextRow, text_rows, to_integers, to_numbers
from sampleformer.errors import InputError, shown
from sampleformer.wording import count

# Texture coordinates, colours and normals of a vertex come after its coordinates; 4OFF and nOFF have other dimensions.
_HEADER = re.compile(r"(ST)?C?N?OFF(?=$|[\s\d])", re.IGNORECASE)


def read_off(path: Path) -> tuple[np.ndarray, np.ndarray, bool]:
    """Vertices and triangles of an OFF file.

    Tolerated: counts in the line of the word OFF, also without a blank (``OFF490 518 0``, as in ModelNet), no number of
    edges, comments, anything after a vertex's coordinates or a face's corners. Polygons become fans of triangles.

    Args:
        path: the file.

    Returns:
        (v, 3) float64, (f, 3) int64, and whether lines hold more, such as colours, which is not used.

    Raises:
        InputError: if the file is no text in this format, or has more or fewer lines than its counts say.

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
            f"{path}: line {rows[0].line}: found {shown(head)}, expected OFF, in ASCII and three dimensions"
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
    if len(rows) - 1 != vertices + faces:
        announced = f"{vertices} vertices and {faces} faces (line {rows[0].line})"
        raise InputError(f"{path}: found {count(len(rows) - 1, 'line')} after the counts, expected {announced}")
    corners, polygons = rows[1 : 1 + vertices], rows[1 + vertices :]
    triangles, sizes = _triangles(path, polygons)
    more = any(len(row.fields) > 3 for row in corners)
    more = more or any(len(row.fields) > 1 + size for row, size in zip(polygons, sizes.tolist(), strict=True))
    return to_numbers(path, corners, 0, 3), triangles, more


def _triangles(path: Path, rows: list[TextRow]) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of face rows, each a number of corners and the corners, in the order of the rows; and these numbers."""
    sizes = to_integers(path, rows, 0, 1)[:, 0]
    if (sizes < 3).any():
        row = int(np.argmax(sizes < 3))
        raise InputError(f"{path}: line {rows[row].line}: found a face of {sizes[row]} corners, expected at least 3")
    polygons = {
        size: to_integers(path, [rows[row] for row in of_size], 1, 1 + size) for size, of_size in rows_by_size(sizes)
    }
    return polygons_to_triangles(sizes, polygons), sizes
