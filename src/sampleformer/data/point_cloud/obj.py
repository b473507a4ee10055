"""Wavefront OBJ files: the surface or the points, without materials."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sampleformer.data.point_cloud.mesh import polygons_to_triangles
from sampleformer.data.point_cloud.text_rows import TextRow, text_rows, to_numbers
from sampleformer.errors import InputError, shown

_CORNER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_NAMES = ("o", "g", "s", "mtllib")
"""Lines that hold no data."""
_WITH_COLOURS = 7  # fields of v x y z r g b


class Obj(NamedTuple):
    """Numbers of an OBJ file.

    Args:
        vertices: Coordinates, (v, 3) float64.
        triangles: Corners of each triangle, (f, 3) int64.
        normals: Normals, (v, 3) float64. None: not one for each vertex.
        colours: Red, green and blue, (v, 3) float64. None: not of all vertices.
        unused: Kinds of lines that are not used.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    normals: np.ndarray | None
    colours: np.ndarray | None
    unused: tuple[str, ...]


def read_obj(path: Path) -> Obj:
    """The vertices, normals, colours and triangles of an OBJ file.

    A negative corner counts back from the last vertex above the face. Polygons become fans of triangles.

    Args:
        path: Path of the file.

    Raises:
        InputError: if a line cannot be read, or a face names a vertex that does not exist.

    Source: Wavefront's "Object Files (.obj)" specification, version 3.0.
    """
    held: dict[str, list[TextRow]] = {"v": [], "vn": [], "f": []}
    above: list[int] = []
    unused: dict[str, None] = {}
    for row in _joined(text_rows(path)):
        kind = row.fields[0]
        if kind in held:
            held[kind].append(row)
            if kind == "f":
                above.append(len(held["v"]))
        elif kind not in _NAMES:
            unused[kind] = None
    vertices, normals = held["v"], held["vn"]
    coloured = bool(vertices) and all(len(row.fields) >= _WITH_COLOURS for row in vertices)
    fits = bool(normals) and len(normals) == len(vertices)
    if normals and not fits:
        unused["vn"] = None
    return Obj(
        to_numbers(path, vertices, 1, 4),
        _triangles(path, held["f"], above, len(vertices)),
        to_numbers(path, normals, 1, 4) if fits else None,
        to_numbers(path, vertices, 4, _WITH_COLOURS) if coloured else None,
        tuple(unused),
    )


def _joined(rows: list[TextRow]) -> list[TextRow]:
    """The rows, those that end in a backslash joined with the next."""
    result: list[TextRow] = []
    open_row = False
    for row in rows:
        fields = row.fields
        continued = fields[-1].endswith("\\")
        if continued:
            fields = [*fields[:-1], *filter(None, [fields[-1][:-1]])]
        if open_row:
            result[-1].fields.extend(fields)
        else:
            result.append(TextRow(row.line, list(fields)))
        open_row = continued
    return [row for row in result if row.fields]


def _triangles(path: Path, faces: list[TextRow], above: list[int], vertices: int) -> np.ndarray:
    sizes = np.array([len(row.fields) - 1 for row in faces], np.int64)
    of_size: dict[int, list[list[int]]] = {}
    for row, count in zip(faces, above, strict=True):
        of_size.setdefault(len(row.fields) - 1, []).append(_corners(path, row, count, vertices))
    return polygons_to_triangles(sizes, {size: np.array(corners, np.int64) for size, corners in of_size.items()})


def _corners(path: Path, row: TextRow, above: int, vertices: int) -> list[int]:
    """The vertices of a face such as ``f 1/2/3 4 -1``, counted from 0."""
    if len(row.fields) < 4:
        found = f"a face of {len(row.fields) - 1} corners"
        raise InputError(f"{path}: line {row.line}: found {found}, expected at least 3")
    corners = []
    for field in row.fields[1:]:
        text = field.partition("/")[0]
        if not _CORNER.fullmatch(text):
            raise InputError(f"{path}: line {row.line}: found {shown(field)}, expected the number of a vertex")
        number = int(text)
        corner = number - 1 if number > 0 else above + number
        if number == 0 or not 0 <= corner < vertices:
            expected = f"1 to {vertices}, or back from -1 to -{above}"
            raise InputError(f"{path}: line {row.line}: the face names vertex {number}, expected {expected}")
        corners.append(corner)
    return corners
