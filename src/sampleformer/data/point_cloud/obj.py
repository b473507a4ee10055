"""Wavefront OBJ files: the surface or the points, without materials."""

import itertools
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.text_rows import TextRow, text_rows, to_numbers
from sampleformer.errors import InputError


def read_obj(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Vertices, triangles and, where each vertex has one, normals of an OBJ file.

    Lines that are neither vertices, normals nor faces are passed over. A negative corner counts back from the last
    vertex above the face. Polygons become fans of triangles.

    Args:
        path: the file.

    Returns:
        (v, 3) float64, (f, 3) int64, and (v, 3) float64 or None.

    Raises:
        InputError: if a line cannot be read, or a face names a vertex that does not exist.

    Source: Wavefront's "Object Files (.obj)" specification, version 3.0.
    """
    vertices: list[TextRow] = []
    normals: list[TextRow] = []
    faces: list[tuple[TextRow, int]] = []
    for row in _joined(text_rows(path)):
        kind = row.fields[0]
        if kind == "v":
            vertices.append(row)
        elif kind == "vn":
            normals.append(row)
        elif kind == "f":
            faces.append((row, len(vertices)))
    triangles: list[tuple[int, int, int]] = []
    for row, above in faces:
        first, *others = _corners(path, row, above, len(vertices))
        triangles.extend((first, second, third) for second, third in itertools.pairwise(others))
    directions = to_numbers(path, normals, 1, 4) if normals and len(normals) == len(vertices) else None
    return to_numbers(path, vertices, 1, 4), np.array(triangles, np.int64).reshape(-1, 3), directions


def _joined(rows: list[TextRow]) -> list[TextRow]:
    """The rows, those that end in a backslash joined with the next."""
    result: list[TextRow] = []
    open_row = False
    for row in rows:
        if open_row:
            row = TextRow(result[-1].line, result.pop().fields + row.fields)
        open_row = row.fields[-1].endswith("\\")
        if open_row:
            row = TextRow(row.line, [*row.fields[:-1], *filter(None, [row.fields[-1][:-1]])])
        result.append(row)
    return [row for row in result if row.fields]


def _corners(path: Path, row: TextRow, above: int, vertices: int) -> list[int]:
    """The vertices of a face such as ``f 1/2/3 4 -1``, counted from 0."""
    if len(row.fields) < 4:
        found = f"a face of {len(row.fields) - 1} corners"
        raise InputError(f"{path}: line {row.line}: found {found}, expected at least 3")
    corners = []
    for field in row.fields[1:]:
        try:
            number = int(field.partition("/")[0])
        except ValueError as error:
            raise InputError(f"{path}: line {row.line}: found {field!r}, expected the number of a vertex") from error
        corner = number - 1 if number > 0 else above + number
        if number == 0 or not 0 <= corner < vertices:
            expected = f"1 to {vertices}, or back from -1 to -{above}"
            raise InputError(f"{path}: line {row.line}: the face names vertex {number}, expected {expected}")
        corners.append(corner)
    return corners
