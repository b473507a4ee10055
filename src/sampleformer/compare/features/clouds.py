"""Numbers of shapes and of their points."""

from __future__ import annotations

import numpy as np

from sampleformer.compare.features.parts import Parts, dense_parts, moments
from sampleformer.data.source import Splits
from sampleformer.sample import Sample

_PAIRS_OF = 256  # points whose distances to each other are counted
_BINS = 32
_QUANTILES = np.linspace(0, 1, 9)


def shape_parts(splits: Splits) -> Parts:
    """`shape_numbers` of each cloud."""
    return dense_parts(splits, shape_numbers)


def point_parts(splits: Splits) -> Parts:
    """`point_numbers` of each point that is asked about."""
    return dense_parts(splits, lambda sample: _asked(sample, point_numbers(sample)))


def _asked(sample: Sample, numbers: np.ndarray) -> np.ndarray:
    return numbers if sample.asked is None else numbers[sample.asked]


def shape_numbers(sample: Sample) -> np.ndarray:
    """Extents, spread, distances to the centre and between points, heights, normals and moments of features, ``(f,)``.

    Sorted extents, eigenvalues of the covariance and distances stay as they are when the shape is turned; heights and
    extents along the axes do not.

    Args:
        sample: A cloud of at least one point.
    """
    assert sample.coordinates is not None
    points = sample.coordinates.astype(np.float64)
    centred = points - points.mean(axis=0)
    extents = np.ptp(points, axis=0)
    spread = np.linalg.eigvalsh(centred.T @ centred / len(points))[::-1]
    radii = np.linalg.norm(centred, axis=1)
    parts = [
        np.sort(extents),
        extents,
        spread,
        spread / max(1e-12, spread.sum()),
        np.quantile(radii, _QUANTILES),
        _distances(points),
        *(np.quantile(centred[:, axis], _QUANTILES) for axis in range(3)),
    ]
    if sample.normals is not None:
        normals = sample.normals.astype(np.float64)
        outward = np.abs((normals * centred).sum(axis=1)) / np.maximum(radii, 1e-12)
        parts += [np.quantile(outward, _QUANTILES), np.abs(normals).mean(axis=0)]
    if sample.features.ndim == 2 and sample.features.shape[1]:
        parts.append(moments(sample.features.astype(np.float64)))
    return np.concatenate(parts)


def _distances(points: np.ndarray) -> np.ndarray:
    """Quantiles of the distances between points, and a histogram of these over their mean, which no scale changes."""
    chosen = points[np.linspace(0, len(points) - 1, min(_PAIRS_OF, len(points))).astype(np.int64)]
    squares = (chosen**2).sum(axis=1)
    rows, columns = np.triu_indices(len(chosen), 1)
    product = (chosen @ chosen.T)[rows, columns]
    lengths = np.sqrt(np.maximum(0, squares[rows] + squares[columns] - 2 * product))
    if not len(lengths):
        return np.zeros(len(_QUANTILES) + _BINS)
    shares = np.histogram(lengths / max(1e-12, lengths.mean()), bins=_BINS, range=(0, 3))[0] / len(lengths)
    return np.concatenate([np.quantile(lengths, _QUANTILES), shares])


def point_numbers(sample: Sample) -> np.ndarray:
    """Place, place in the cloud, distance to the centre, height, normal and features of each point, ``(n, f)``.

    Args:
        sample: A cloud of at least one point.
    """
    assert sample.coordinates is not None
    points = sample.coordinates.astype(np.float64)
    low, extents = points.min(axis=0), np.ptp(points, axis=0)
    centred = points - points.mean(axis=0)
    parts = [points, (points - low) / np.maximum(extents, 1e-12), centred, np.linalg.norm(centred, axis=1)[:, None]]
    parts.append(np.repeat(np.sort(extents)[None], len(points), axis=0))
    if sample.normals is not None:
        parts.append(sample.normals.astype(np.float64))
    if sample.features.ndim == 2:
        parts.append(sample.features.astype(np.float64))
    return np.concatenate(parts, axis=1)
