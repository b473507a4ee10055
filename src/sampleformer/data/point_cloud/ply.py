"""PLY files: the surface or the points, in text or binary."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from sampleformer.data.point_cloud.ply_binary import BinaryBody
from sampleformer.data.point_cloud.ply_header import CORNERS, Header
from sampleformer.data.point_cloud.ply_text import TextBody
from sampleformer.errors import InputError
from sampleformer.unpacking import read_bytes


class Ply(NamedTuple):
    """Numbers of a PLY file.

    Args:
        vertices: Properties of the vertices that are no lists, by name; integers keep their type.
        triangles: Corners of each triangle, (f, 3) int64.
        unused: Names of elements and lists that are not used.
    """

    vertices: dict[str, np.ndarray]
    triangles: np.ndarray
    unused: tuple[str, ...]


def read_ply(path: Path) -> Ply:
    """The vertices and triangles of a PLY file, in text or binary, with polygons of any sizes, which become fans.

    Args:
        path: Path of the file.

    Raises:
        InputError: if it is no valid PLY file, or does not hold exactly what its header says.

    Source: Turk 1994, "The PLY Polygon File Format".
    """
    content = read_bytes(path)
    try:
        header = Header.of(content)
        body = TextBody(path, content, header) if not header.order else BinaryBody(content, header)
        vertices: dict[str, np.ndarray] = {}
        triangles, unused = np.zeros((0, 3), np.int64), []
        for element in header.elements:
            body.start(element)
            if element.name == "face":
                corners = next((each for each in element.properties if each.name in CORNERS and each.length), None)
                if corners is None and element.rows:
                    raise ValueError(f"the element face has no list {' or '.join(CORNERS)}, expected one")
                if corners is not None:
                    triangles = body.triangles(element, corners)
                    unused += [f"{each.name} of face" for each in element.properties if each is not corners]
            elif element.name == "vertex":
                vertices = body.numbers(element)
                unused += [f"{each.name} of vertex" for each in element.properties if each.length]
            else:
                body.skip(element)
                unused += [element.name] * (element.rows > 0)
        body.check_end()
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return Ply(vertices, triangles, tuple(unused))
