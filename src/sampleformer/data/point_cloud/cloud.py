"""A point cloud, and what may be known about its points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Coordinates so far away that float32 would blur them by more than this part of the cloud's size are moved first.
BLUR = 1e-5


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points in space, in the order of their source.

    Args:
        points: (n, 3) coordinates, float32, in the source's unit.
        normals: (n, 3) directions of the surface, float32, of unit length (zero: unknown).
        features: (n, f) anything else that was measured, float32.
        labels: (n,) class of each point, int64.
        origin: what was taken off the source's coordinates.

    Raises:
        ValueError: if there are no points, numbers are not finite, or shapes do not fit.

    Example:
        >>> len(Cloud(np.zeros((5, 3), np.float32)))
        5
    """

    points: np.ndarray
    normals: np.ndarray | None = None
    features: np.ndarray | None = None
    labels: np.ndarray | None = None
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        _check_rows("points", self.points, 3)
        if not len(self.points):
            raise ValueError("found no points, expected at least one")
        for name, rows, width in (("normals", self.normals, 3), ("features", self.features, None)):
            if rows is not None:
                _check_rows(name, rows, width)
                self._check_count(name, rows)
        if self.labels is not None:
            if self.labels.ndim != 1 or not np.issubdtype(self.labels.dtype, np.integer):
                found = f"{self.labels.dtype} of shape {self.labels.shape}"
                raise ValueError(f"labels: found {found}, expected whole numbers, one a point")
            self._check_count("labels", self.labels)

    def _check_count(self, name: str, rows: np.ndarray) -> None:
        if len(rows) != len(self.points):
            raise ValueError(f"{name}: found {len(rows)} rows, expected {len(self.points)}, one a point")

    @classmethod
    def measured(
        cls,
        points: np.ndarray,
        normals: np.ndarray | None = None,
        features: np.ndarray | None = None,
        labels: np.ndarray | None = None,
    ) -> Cloud:
        """A cloud from numbers as a file holds them, in any precision.

        Normals are brought to unit length (those of length zero stay). Coordinates far from the origin, as maps have
        them, would lose their last digits in float32: these are moved by whole units, which `origin` holds.

        Args: as for the class, of any number type.

        Raises:
            ValueError: as for the class.

        Example:
            >>> cloud = Cloud.measured(np.array([[4_500_000.25, 0, 0], [4_500_000.75, 1, 0]]))
            >>> cloud.points[:, 0], cloud.origin
            (array([0.25, 0.75], dtype=float32), (4500000.0, 0.0, 0.0))
        """
        points = _real("points", points).astype(np.float64)
        _check_rows("points", points, 3)
        origin = _origin(points)
        if normals is not None:
            normals = _real("normals", normals).astype(np.float64)
            _check_rows("normals", normals, 3)
            lengths = np.linalg.norm(normals, axis=1, keepdims=True)
            normals = (normals / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, which is refused
            moved = (points - origin).astype(np.float32)
            others = None if features is None else _real("features", features).astype(np.float32)
        whole = None if labels is None else _whole(np.asarray(labels))
        return cls(moved, normals, others, whole, (float(origin[0]), float(origin[1]), float(origin[2])))

    def __len__(self) -> int:
        return len(self.points)

    def take(self, rows: np.ndarray) -> Cloud:
        """Some of the points, in the order of `rows`.

        Example:
            >>> Cloud(np.eye(3, dtype=np.float32)).take(np.array([2, 0])).points.tolist()
            [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
        """
        normals, features, labels = (
            None if part is None else part[rows] for part in (self.normals, self.features, self.labels)
        )
        return Cloud(self.points[rows], normals, features, labels, self.origin)


def _real(name: str, values: np.ndarray) -> np.ndarray:
    """An array of real numbers, before they are cast, which would drop what is imaginary."""
    values = np.asarray(values)
    if not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        raise ValueError(f"{name}: found {values.dtype}, expected real numbers")
    return values


def _check_rows(name: str, rows: np.ndarray, width: int | None) -> None:
    _real(name, rows)
    if rows.ndim != 2 or (width is not None and rows.shape[1] != width):
        raise ValueError(f"{name}: found shape {rows.shape}, expected (points, {width or 'features'})")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        numbers = ", ".join(f"{number:g}" for number in rows[row][:6])
        raise ValueError(f"{name}: row {row + 1} is ({numbers}), expected finite numbers")


def _whole(labels: np.ndarray) -> np.ndarray:
    """Labels as int64."""
    if not np.issubdtype(labels.dtype, np.number) or np.iscomplexobj(labels):
        raise ValueError(f"labels: found {labels.dtype}, expected whole numbers")
    wrong = labels != np.round(labels)
    if wrong.any():
        raise ValueError(f"labels: found {labels[wrong][0]:g}, expected whole numbers")
    return labels.astype(np.int64)


def _origin(points: np.ndarray) -> np.ndarray:
    """What to take off so that float32 keeps the shape: zeros, or the lowest corner in whole units."""
    if not len(points):
        return np.zeros(3)
    low, high = points.min(axis=0), points.max(axis=0)
    blur = np.finfo(np.float32).eps / 2 * np.maximum(np.abs(low), np.abs(high)).max()
    return np.floor(low) if blur > BLUR * (high - low).max() > 0 else np.zeros(3)
