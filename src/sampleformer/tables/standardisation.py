"""Mean and deviation of columns of numbers, and numbers beside which all others vanish."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sampleformer.tables.report import RowReport

FARTHEST = 1e15
"""Deviations from the mean beyond which a number is refused: what a model squares and adds up would overflow."""
_SMALLEST = 1e-6


class Moments:
    """Mean and standard deviation of columns whose rows come in pieces, without overflow and underflow.

    The pieces are gone through twice: numbers are counted from the middle between the least and the greatest, in units
    of half the distance of the two. Of equal numbers the mean is that number, and the deviation 1.

    Args:
        columns: Number of columns.

    Example:
        >>> moments = Moments(1)
        >>> pieces = [np.array([[1.0], [2.0]]), np.array([[np.nan], [3.0]])]
        >>> for see in (moments.bound, moments.add):
        ...     for piece in pieces:
        ...         see(piece)
        >>> moments.mean.tolist(), moments.deviation.round(3).tolist()
        ([2.0], [0.816])
    """

    def __init__(self, columns: int) -> None:
        self._least, self._most = np.full(columns, np.inf), np.full(columns, -np.inf)
        self._known, self._sum, self._squares = np.zeros((3, columns))

    def bound(self, values: np.ndarray) -> None:
        """Sees some rows for the first time.

        Args:
            values: ``(rows, columns)``; what is not finite is unknown.
        """
        values = values.astype(np.float64, copy=False)
        known = np.isfinite(values)
        self._least = np.minimum(self._least, values.min(axis=0, initial=np.inf, where=known))
        self._most = np.maximum(self._most, values.max(axis=0, initial=-np.inf, where=known))

    def add(self, values: np.ndarray) -> None:
        """Sees the same rows again, when all have been seen once."""
        values = values.astype(np.float64, copy=False)
        known = np.isfinite(values)
        middle, half = self._range
        scaled = np.where(known, values - middle, 0.0) / half
        self._known += known.sum(axis=0)
        self._sum += scaled.sum(axis=0)
        self._squares += np.square(scaled).sum(axis=0)

    @property
    def mean(self) -> np.ndarray:
        """The mean of each column, 0 if nothing is known."""
        middle, half = self._range
        return middle + half * self._sum / np.maximum(1, self._known)

    @property
    def deviation(self) -> np.ndarray:
        """The standard deviation of each column, 1 if all its numbers are the same."""
        known = np.maximum(1, self._known)
        variance = self._squares / known - np.square(self._sum / known)  # both extremes are there: it does not vanish
        return np.where(self._most > self._least, np.sqrt(np.maximum(variance, 0)) * self._range[1], 1.0)

    @property
    def _range(self) -> tuple[np.ndarray, np.ndarray]:
        """The middle of the numbers of each column, and how far they go from it."""
        differ, nothing = self._most > self._least, self._most < self._least
        least, most = np.where(nothing, 0.0, self._least), np.where(nothing, 0.0, self._most)
        middle = np.where(differ, 0.5 * least + 0.5 * most, most)
        return middle, np.where(differ, np.maximum(most - middle, middle - least), 1.0)


def mean_and_deviation(*pieces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of columns, without overflow and underflow, see `Moments`.

    Args:
        pieces: Some rows each, ``(rows, columns)``; NaN is unknown.

    Returns:
        The mean of each column, 0 if nothing is known, and its deviation, 1 if all its values are the same.
    """
    moments = Moments(pieces[0].shape[1])
    for see in (moments.bound, moments.add):
        for values in pieces:
            see(values)
    return moments.mean, moments.deviation


def check_scales(values: np.ndarray, columns: list[str], report: RowReport) -> None:
    """Reports numbers so large that most others of their column would be the same beside them, once standardised.

    Args:
        values: ``(rows, columns)``; NaN is unknown.
        columns: Names of the columns.
        report: Report of wrong rows.
    """
    values = np.array(values)
    while len(values) and (drowned := _drowned(values)).any():
        for place in np.flatnonzero(drowned):
            distance = np.abs(values[:, place] - np.nanmedian(values[:, place]))
            for row in np.flatnonzero(distance >= 1e-3 * np.nanmax(distance)):
                report.add(
                    int(row),
                    f"column {columns[place]!r}: found {values[row, place]:g}, beside which most other values of the "
                    "column are the same to a model; correct it, give the logarithm, or leave the column out",
                )
                values[row, place] = np.nan


def _drowned(values: np.ndarray) -> np.ndarray:
    """Whether most of the values of a column that differ from its median do so by next to none of its deviation."""
    known = not np.isnan(values).any()
    median = np.median(values, axis=0) if known else np.ma.median(np.ma.masked_invalid(values), axis=0)
    distance = np.nan_to_num(np.abs(values - np.ma.filled(median, 0.0)))
    deviation = mean_and_deviation(values)[1]
    return 2 * (distance > _SMALLEST * deviation).sum(axis=0) < (distance > 0).sum(axis=0)


def reach(mean: np.ndarray, deviation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest number of each column that is not too far from the mean.

    Args:
        mean, deviation: Those of each column.
    """
    largest = float(np.finfo(np.float32).max)
    return np.maximum(mean - FARTHEST * deviation, -largest), np.minimum(mean + FARTHEST * deviation, largest)


def too_far(values: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> Iterator[tuple[int, int, str]]:
    """Row and column of each number that is too far from the mean, see `reach`, and what is wrong with it, in words.

    Args:
        values: ``(rows, columns)``; NaN is not.
        mean, deviation: Those of each column.
    """
    least, most = reach(mean, deviation)
    for row, place in np.argwhere((values < least) | (values > most)).tolist():
        yield (
            row,
            place,
            f"found {values[row, place]:g}, too far from the mean of the training part, {mean[place]:g}, for a "
            f"deviation of {deviation[place]:g}",
        )


def standardised(
    values: np.ndarray, mean: np.ndarray, deviation: np.ndarray, columns: list[str], report: RowReport
) -> np.ndarray:
    """``(value - mean) / deviation`` in float32; what is too far from the mean is reported, see `reach`.

    Args:
        values: ``(rows, columns)``; NaN stays NaN.
        mean, deviation: Those of each column.
        columns: Names of the columns.
        report: Report of wrong rows.
    """
    for row, place, problem in too_far(values, mean, deviation):
        report.add(row, f"column {columns[place]!r}: {problem}")
    with np.errstate(over="ignore"):
        return ((values - mean) / deviation).astype(np.float32)
