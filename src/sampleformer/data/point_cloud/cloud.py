"""A point cloud, and what may be known about its points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sampleformer.errors import LONGEST_NAME, NAMES_SHOWN, one_line
from sampleformer.tables.values import EXACT, LARGEST

BLUR = 1e-6
"""Coordinates so far away that float32 would blur them by more than this part of the cloud's size are moved first."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points in space, in the order of their source.

    Args:
        points: (n, 3) coordinates, float32, in the source's unit.
        normals: (n, 3) directions of the surface, float32, of unit length (zero: unknown).
        features: (n, f) anything else that was measured, float32, or float64 where float32 would blur it.
        labels: (n,) class of each point, int64.
        origin: what was taken off the source's coordinates.
        remarks: What the reader did with the source that a user should know, such as columns that are not used.

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
    remarks: tuple[str, ...] = ()

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
        remarks: tuple[str, ...] = (),
    ) -> Cloud:
        """A cloud from numbers as a file holds them, in any precision.

        Normals are brought to unit length (those of length zero stay). Coordinates far from the origin, as maps have
        them, would lose their last digits in float32: these are moved by whole units, which `origin` holds.

        Args: as for the class, of any number type.

        Raises:
            ValueError: as for the class, and if a number is too large for float32 or for its type.

        Example:
            >>> cloud = Cloud.measured(np.array([[4_500_000.25, 0, 0], [4_500_000.75, 1, 0]]))
            >>> cloud.points[:, 0], cloud.origin
            (array([0.25, 0.75], dtype=float32), (4500000.0, 0.0, 0.0))
        """
        points = _measured("points", points, 3)
        origin = _origin(points)
        moved = np.empty(points.shape, np.float32)
        np.subtract(points, origin, out=moved, casting="same_kind", dtype=np.float64)
        return cls(
            moved,
            None if normals is None else _unit(_measured("normals", normals, 3)),
            None if features is None else _narrow(_measured("features", features, None)),
            None if labels is None else whole_numbers("labels", labels),
            (float(origin[0]), float(origin[1]), float(origin[2])),
            remarks,
        )

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
        return Cloud(self.points[rows], normals, features, labels, self.origin, self.remarks)


def not_used(names: Sequence[str]) -> tuple[str, ...]:
    """Remark on what a reader left in its source, none if there is nothing.

    Example:
        >>> not_used(["curvature", "alpha"])
        ('not used: curvature, alpha',)
    """
    if not names:
        return ()
    shown = ", ".join(one_line(name, LONGEST_NAME) for name in names[:NAMES_SHOWN])
    return (f"not used: {shown}" + (f", … ({len(names)} in all)" if len(names) > NAMES_SHOWN else ""),)


def check_size(name: str, rows: np.ndarray) -> None:
    """Refuses numbers that no float32 holds.

    Args:
        name: Name of the numbers, for messages.
        rows: Finite numbers, (n, c).

    Raises:
        ValueError: for the first one.
    """
    if not rows.size or max(-rows.min(), rows.max()) <= LARGEST:
        return
    row, column = (int(index[0]) for index in (np.abs(rows) > LARGEST).nonzero())
    found = f"row {row + 1}, column {column + 1} is {rows[row, column]:g}"
    raise ValueError(f"{name}: {found}, expected at most {LARGEST:g}, the largest number in single precision")


def whole_numbers(name: str, values: np.ndarray) -> np.ndarray:
    """Whole numbers of any type as int64, none of them rounded or wrapped.

    Raises:
        ValueError: if one is no whole number, or too large.

    Example:
        >>> whole_numbers("labels", np.array([1.0, 2.0]))
        array([1, 2])
    """
    values = np.asarray(values)
    if not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        raise ValueError(f"{name}: found {values.dtype}, expected whole numbers")
    if np.issubdtype(values.dtype, np.integer):
        wrong = values > np.iinfo(np.int64).max if values.dtype == np.uint64 else np.zeros(values.shape, bool)
    else:
        wrong = ~(np.abs(values) <= EXACT) | (values != np.round(values))
    if wrong.any():
        raise ValueError(f"{name}: found {values[wrong][0]}, expected whole numbers")
    return values.astype(np.int64)


def _real(name: str, values: np.ndarray) -> np.ndarray:
    """An array of real numbers, before they are cast, which would drop what is imaginary."""
    values = np.asarray(values)
    if not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        raise ValueError(f"{name}: found {values.dtype}, expected real numbers")
    return values


def _measured(name: str, values: np.ndarray, width: int | None) -> np.ndarray:
    """Rows of finite numbers that fit into float32: float32 as it is, others as float64."""
    values = _real(name, values)
    _check_rows(name, values, width)
    if values.dtype.kind in "iu" and values.size and max(-int(values.min()), int(values.max())) > EXACT:
        raise ValueError(f"{name}: found a whole number beyond {EXACT}, expected no digits to be lost")
    values = values if values.dtype == np.float32 else values.astype(np.float64, copy=False)
    check_size(name, values)
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


def _unit(normals: np.ndarray) -> np.ndarray:
    """Normals of length one, those of length zero as they are; no square of a number overflows or vanishes."""
    normals = normals.astype(np.float64)
    largest = np.abs(normals).max(axis=1, keepdims=True, initial=0.0)
    normals = normals / np.where(largest > 0, largest, 1)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return (normals / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _narrow(features: np.ndarray) -> np.ndarray:
    """Features as float32, unless the values of a column, such as times, would fall together."""
    if not features.size or features.dtype == np.float32:
        return features.astype(np.float32, copy=False)
    largest, extent = np.abs(features).max(axis=0), np.ptp(features, axis=0)
    narrow = features.astype(np.float32)
    blurred = (largest * np.finfo(np.float32).eps / 2 > BLUR * extent) & (narrow != features).any(axis=0)
    return features if blurred.any() else narrow


def _origin(points: np.ndarray) -> np.ndarray:
    """What to take off so that float32 keeps the shape: zeros, or the lowest corner in whole units."""
    if not len(points):
        return np.zeros(3)
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    blur = np.finfo(np.float32).eps / 2 * np.maximum(np.abs(low), np.abs(high)).max()
    return np.floor(low) if blur > BLUR * (high - low).max() > 0 else np.zeros(3)
