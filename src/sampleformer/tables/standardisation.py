"""Mean and deviation of columns of numbers, and numbers beside which all others vanish."""

from __future__ import annotations

import numpy as np

from sampleformer.tables.report import RowReport

FARTHEST = 1e15
"""Deviations from the mean beyond which a number is refused: what a model squares and adds up would overflow."""
_SMALLEST = 1e-6


def mean_and_deviation(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of columns, without overflow and underflow.

    Args:
        values: ``(rows, columns)``; NaN is unknown.

    Returns:
        The mean of each column, 0 if nothing is known, and its deviation, 1 if all its values are the same.
    """
    known = values if np.isfinite(values).all() else np.ma.masked_invalid(values)
    least, most = np.ma.filled(known.min(axis=0), 0.0), np.ma.filled(known.max(axis=0), 0.0)
    differ = most > least
    middle = np.where(differ, 0.5 * least + 0.5 * most, most)
    reach = np.where(differ, most - middle, 1.0)
    scaled = (known - middle) / reach
    mean = np.ma.filled(scaled.mean(axis=0), 0.0) * reach + middle
    return mean, np.where(differ, np.ma.filled(scaled.std(axis=0), 1.0) * reach, 1.0)


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
    least, most = reach(mean, deviation)
    for row, place in np.argwhere((values < least) | (values > most)):
        report.add(
            int(row),
            f"column {columns[place]!r}: found {values[row, place]:g}, too far from the mean of the training part, "
            f"{mean[place]:g}, for a deviation of {deviation[place]:g}",
        )
    with np.errstate(over="ignore"):
        return ((values - mean) / deviation).astype(np.float32)
