"""Surfaces made of triangles, and points drawn from them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud, check_size

# A flat triangle at the origin whose corners are rounded to float32 has up to this part of its squared extent as area:
# each corner moves by up to √3 · 2⁻²⁴ extents, across a side of up to √3 extents, and half of it is area, three times.
LEAST_AREA = 4.5 * 2**-24


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface of triangles.

    Args:
        vertices: (v, 3) float64.
        faces: (f, 3) int64, the corners of each triangle, counter-clockwise seen from outside.
        remarks: Remarks of the clouds that are drawn, see `Cloud`.

    Raises:
        ValueError: if a vertex is not finite or too large for float32, a face names a vertex that does not exist, or
            the surface has no faces or no area.

    Example:
        >>> mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]))
        >>> len(mesh.sample(10, np.random.default_rng(0)))
        10
    """

    vertices: np.ndarray
    faces: np.ndarray
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.vertices.ndim != 2 or self.vertices.shape[1] != 3:
            raise ValueError(f"vertices: found shape {self.vertices.shape}, expected (vertices, 3)")
        if not len(self.faces):
            raise ValueError("the mesh is empty: found no faces, expected at least one")
        if self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise ValueError(f"faces: found shape {self.faces.shape}, expected (faces, 3)")
        wrong = (self.faces < 0) | (self.faces >= len(self.vertices))
        if wrong.any():
            face, corner = (int(index[0]) for index in wrong.nonzero())
            found = f"face {face + 1} names vertex {self.faces[face, corner]} (counted from 0)"
            raise ValueError(f"{found}, expected less than {len(self.vertices)}, the number of vertices")
        finite = np.isfinite(self.vertices).all(axis=1)
        if not finite.all():
            vertex = int(np.argmin(finite))
            numbers = ", ".join(f"{number:g}" for number in self.vertices[vertex])
            raise ValueError(f"vertex {vertex + 1} is ({numbers}), expected finite numbers")
        check_size("vertices", self.vertices)
        extent = float(np.ptp(self.vertices[self.faces].reshape(-1, 3), axis=0).max())
        area = float(np.linalg.norm(self._crosses(), axis=1).sum()) / 2
        if not area > LEAST_AREA * extent**2:
            raise ValueError(f"the mesh has no area: found {area:g} at an extent of {extent:g}, expected a surface")

    def _crosses(self) -> np.ndarray:
        """Cross products of two sides of each face: its direction, as long as twice its area."""
        first, second, third = (self.vertices[self.faces[:, corner]] for corner in range(3))
        return np.cross(second - first, third - first)

    def sample(self, count: int, random: np.random.Generator) -> Cloud:
        """Independent points, uniform over the area, each with the normal of its face.

        A triangle is drawn with a probability proportional to its area, then a point in it: with u, v uniform,
        ``(1 − √u) A + √u (1 − v) B + √u v C``.

        Args:
            count: number of points.
            random: source of randomness.

        Source: Osada et al. 2002, "Shape Distributions", section 4.2.
        """
        crosses = self._crosses()
        lengths = np.linalg.norm(crosses, axis=1)
        reached = np.cumsum(lengths)
        drawn = np.searchsorted(reached, random.random(count) * reached[-1], side="right")
        # Rounding may reach the end; the last face with an area is the last one that can be drawn.
        drawn = np.minimum(drawn, np.flatnonzero(lengths)[-1])
        root, share = np.sqrt(random.random((count, 1))), random.random((count, 1))
        first, second, third = (self.vertices[self.faces[drawn, corner]] for corner in range(3))
        points = (1 - root) * first + root * (1 - share) * second + root * share * third
        return Cloud.measured(points, crosses[drawn] / lengths[drawn, None], remarks=self.remarks)


def fan(polygons: np.ndarray) -> np.ndarray:
    """Triangles of polygons that have the same number of corners, all from the first corner.

    Args:
        polygons: (f, c) corners of each.

    Returns:
        (f · (c − 2), 3), those of one polygon one after the other.

    Example:
        >>> fan(np.array([[0, 1, 2, 3]])).tolist()
        [[0, 1, 2], [0, 2, 3]]
    """
    first = np.broadcast_to(polygons[:, :1], (len(polygons), max(0, polygons.shape[1] - 2)))
    return np.stack([first, polygons[:, 1:-1], polygons[:, 2:]], axis=2).reshape(-1, 3)


def rows_by_size(sizes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each size that occurs, and the rows that have it, in their order.

    Example:
        >>> [(size, rows.tolist()) for size, rows in rows_by_size(np.array([4, 3, 4]))]
        [(3, [1]), (4, [0, 2])]
    """
    order = np.argsort(sizes, kind="stable")
    different, starts = np.unique(sizes[order], return_index=True)
    yield from zip(different.tolist(), np.split(order, starts[1:]), strict=False)


def polygons_to_triangles(sizes: np.ndarray, polygons: Mapping[int, np.ndarray]) -> np.ndarray:
    """Triangles of polygons of several sizes, in the order of the polygons.

    Args:
        sizes: Number of corners of each polygon, (f,), at least 3.
        polygons: Corners of the polygons of each size, in their order.

    Returns:
        Corners of the triangles, (triangles, 3) int64, see `fan`.

    Example:
        >>> polygons_to_triangles(np.array([4, 3]), {3: np.array([[4, 5, 6]]), 4: np.array([[0, 1, 2, 3]])}).tolist()
        [[0, 1, 2], [0, 2, 3], [4, 5, 6]]
    """
    triangles, origins = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.int64)]
    for size, rows in rows_by_size(sizes):
        triangles.append(fan(polygons[size]))
        origins.append(np.repeat(rows, size - 2))
    order = np.argsort(np.concatenate(origins), kind="stable")
    return np.concatenate(triangles)[order]
