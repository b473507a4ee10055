"""Descriptors of point clouds: statistics of the shape that no rotation changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sampleformer.data.descriptors.base import Descriptor, within
from sampleformer.data.point_cloud.placed_cloud import PlacedCloud
from sampleformer.data.progress import progress_bar
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table

_NEIGHBOURS = 12
_QUANTILES = np.linspace(0, 1, 9)
_TINY = 1e-12


class ShapeStatistics(Descriptor):
    """Eigenvalues, distances and curvature of a cloud, the same however it is turned, and its size.

    The size is the logarithm of the radius ``r`` of gyration; all else is of the cloud divided by r: roots of the
    eigenvalues of the covariance; histograms of the distances of pairs and of the distances from the mean; quantiles
    of the surface variation ``λ_3 / (λ_1 + λ_2 + λ_3)`` and of the linearity ``(λ_1 − λ_2) / λ_1`` of the nearest
    points of each; third moments along the axes.

    Args:
        bins: Of each histogram. At least 2.
        points: Largest number of points that are looked at.

    Sources: Osada et al. 2002, Shape distributions, section 3 (distances of pairs); Pauly et al. 2002, Efficient
    simplification of point-sampled surfaces, section 2 (surface variation).
    """

    name = "shape"
    takes = PlacedCloud
    of = "point clouds"

    def __init__(self, bins: int = 32, points: int = 512) -> None:
        self.bins = within("bins", bins, 2)
        self.points = within("points", points, 2)

    @property
    def names(self) -> list[str]:
        places = [f"{100 * share:.0f} %" for share in _QUANTILES]
        return [
            "size",
            *(f"extent along axis {axis}" for axis in (1, 2, 3)),
            *(f"asymmetry along axis {axis}" for axis in (1, 2, 3)),
            *(f"share of distances of pairs in bin {number}" for number in range(self.bins)),
            *(f"share of distances from the mean in bin {number}" for number in range(self.bins)),
            *(f"surface variation at {place}" for place in places),
            *(f"linearity at {place}" for place in places),
        ]

    def measure(self, values: Sequence[Any] | np.ndarray, table: Table, report: RowReport) -> np.ndarray:
        found = np.full((len(values), len(self.names)), np.nan, np.float32)
        with progress_bar("shapes", len(values)) as show:
            for row, placed in enumerate(values):
                found[row] = self._of(placed.cloud.points)
                if row % 100 == 99:
                    show(row + 1)
        return found

    def _of(self, points: np.ndarray) -> np.ndarray:
        taken = np.linspace(0, len(points) - 1, min(len(points), self.points)).round().astype(np.int64)
        points = points[taken].astype(np.float64)
        points = points - points.mean(axis=0)
        radius = np.sqrt(np.square(points).sum(axis=1).mean())
        points = points / max(radius, _TINY)
        roots, axes = np.linalg.eigh(points.T @ points / len(points))
        along = points @ axes[:, ::-1]
        from_mean = np.linalg.norm(points, axis=1)
        squares = np.maximum(_squared_distances(points), 0)
        pairs = np.sqrt(squares[np.triu_indices(len(points), 1)])
        return np.concatenate(
            [
                [np.log(max(radius, _TINY))],
                np.sqrt(np.maximum(roots[::-1], 0)),
                np.abs(np.power(along, 3).mean(axis=0)),
                _shares(pairs, self.bins, 4.0),
                _shares(from_mean, self.bins, 2.5),
                *_around(points, squares),
            ]
        )

    def to_json(self) -> dict[str, Any]:
        return {"bins": self.bins, "points": self.points}


def _around(points: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of the surface variation and the linearity of points, given the squared distances of all pairs."""
    count = min(_NEIGHBOURS + 1, len(points))  # each point is its own nearest one
    near = points[np.argpartition(squares, count - 1, axis=1)[:, :count]]
    near = near - near.mean(axis=1, keepdims=True)
    roots = np.linalg.eigvalsh(np.einsum("nki,nkj->nij", near, near)).clip(min=0)
    variation = roots[:, 0] / np.maximum(roots.sum(axis=1), _TINY)
    linearity = (roots[:, 2] - roots[:, 1]) / np.maximum(roots[:, 2], _TINY)
    return np.quantile(variation, _QUANTILES), np.quantile(linearity, _QUANTILES)


def _squared_distances(points: np.ndarray) -> np.ndarray:
    squares = np.square(points).sum(axis=1)
    distances: np.ndarray = squares[:, None] + squares - 2 * points @ points.T
    return distances


def _shares(values: np.ndarray, bins: int, most: float) -> np.ndarray:
    """Share of the values in each of the bins from 0 to the most; those beyond count in the last."""
    counts = np.histogram(values.clip(max=most), bins, (0.0, most))[0]
    shares: np.ndarray = counts / max(len(values), 1)
    return shares
