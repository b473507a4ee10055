"""Meaning of the arrays in a file, by their names and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud, not_used, whole_numbers
from sampleformer.data.point_cloud.cloud_set import CloudSet
from sampleformer.data.point_cloud.columns import parts_of_columns
from sampleformer.errors import LONGEST_NAME, NAMES_SHOWN, InputError, one_line

POINTS = ("points", "xyz", "data", "pos")
NORMALS = ("normals", "normal", "normal_i8")
FEATURES = ("features", "feats", "feat", "colors", "colours", "color", "rgb", "intensity", "intensities")
COLOURS = ("colors", "colours", "color", "rgb")
POINT_LABELS = ("labels", "pid", "seg", "label")
CLASSES = ("label", "labels")
NAMES = (*POINTS, *NORMALS, *FEATURES, *POINT_LABELS)
"""All names that mean something."""
_MOST_CHANNELS = 12
"""Points have more columns than that only if there are more points than columns."""


def clouds_of_arrays(
    path: Path, held: Mapping[str, np.ndarray], found: Sequence[str], columns: Sequence[str] | None
) -> CloudSet:
    """The clouds in named arrays, as `read_npz` says.

    Args:
        path: File that the arrays are from.
        held: Arrays with names from `NAMES`.
        found: Names of all arrays in the file that are not used in another way.
        columns: Meaning of the columns of the points, see `parts_of_columns`.

    Raises:
        InputError: if there are no points, or the arrays do not fit.
    """
    name = next((name for name in POINTS if name in held), None)
    if name is None:
        names = ", ".join(one_line(each, LONGEST_NAME) for each in found[:NAMES_SHOWN])
        raise InputError(f"{path}: found the arrays {names or 'none'}, expected one of {', '.join(POINTS)}")
    points = held[name]
    if points.ndim not in (2, 3):
        expected = "(points, columns) or (clouds, points, columns)"
        raise InputError(f"{path}: points: found shape {points.shape}, expected {expected}")
    turned = _channels_first(path, points, columns)
    single = points.ndim == 2
    count = 1 if single else len(points)
    if not count:
        raise InputError(f"{path}: points: found shape {points.shape}, expected at least one cloud")
    many = {each: np.atleast_1d(values)[None] if single else np.atleast_1d(values) for each, values in held.items()}
    for each, values in many.items():
        if len(values) != count:
            raise InputError(f"{path}: {each}: found {len(values)} clouds, {_expected(points, count, len(values))}")
    if turned:
        size = points.shape[-1]
        many = {
            each: np.swapaxes(values, 1, 2) if values.ndim == 3 and values.shape[2] == size else values
            for each, values in many.items()
        }
    of_points = {each: values for each, values in many.items() if each not in CLASSES or values.size > count}
    classes = next((each for each in CLASSES if each in many and each not in of_points), None)
    used = {name, classes, *(_first(of_points, names) for names in (NORMALS, POINT_LABELS))}
    used |= {each for each in FEATURES if each in held}
    remarks = (("channels come before points and were moved behind them",) if turned else ()) + not_used(
        [f"array {each}" for each in sorted(found) if each not in used]
    )
    clouds = []
    for number in range(count):
        try:
            clouds.append(_cloud({each: values[number] for each, values in of_points.items()}, columns, remarks))
        except ValueError as error:
            place = "" if single else f"cloud {number + 1} of {count}: "
            raise InputError(f"{path}: {place}{error}") from error
    return CloudSet(clouds, None if classes is None else class_labels(path, many[classes]))


def class_labels(path: Path, classes: np.ndarray) -> np.ndarray:
    """Classes of clouds, one each: ``(clouds,)`` int64, or texts.

    Raises:
        InputError: if they are no whole numbers and no texts.
    """
    if classes.dtype.kind == "U":
        return classes.reshape(-1)
    if not np.issubdtype(classes.dtype, np.integer):
        raise InputError(f"{path}: label: found {classes.dtype}, expected whole numbers or texts")
    try:
        return whole_numbers("label", classes.reshape(-1))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _channels_first(path: Path, points: np.ndarray, columns: Sequence[str] | None) -> bool:
    """Whether the shape is (…, columns, points), as networks take it.

    Raises:
        InputError: if it may be either.
    """
    rows, width = points.shape[-2:]
    if not 3 <= rows <= _MOST_CHANNELS or width <= rows or (columns is not None and len(columns) == width):
        return False
    if width > _MOST_CHANNELS:
        return True
    if rows == 3:
        expected = "(points, columns)" if points.ndim == 2 else "(clouds, points, columns)"
        found = f"points: found shape {points.shape}, clouds of three points with {width} columns or the other way"
        raise InputError(f"{path}: {found}, expected {expected}; give --columns if it is right")
    return False


def _expected(points: np.ndarray, count: int, found: int) -> str:
    if points.ndim == 3 and found == points.shape[1]:
        return f"as many as there are points; expected points of shape (clouds, points, columns), not {points.shape}"
    return f"expected {count}, as there are of points"


def _cloud(held: Mapping[str, np.ndarray], columns: Sequence[str] | None, remarks: tuple[str, ...]) -> Cloud:
    points = held[next(name for name in POINTS if name in held)]
    if not np.issubdtype(points.dtype, np.number):
        raise ValueError(f"points: found {points.dtype}, expected numbers")
    parts = parts_of_columns(points, columns)
    normals, labels = (_first(held, names) for names in (NORMALS, POINT_LABELS))
    features = [] if parts.features is None else [parts.features]
    features += [_feature(name, held[name], len(points)) for name in FEATURES if name in held]
    return Cloud.measured(
        parts.points,
        parts.normals if normals is None else held[normals],
        np.concatenate(features, axis=1) if features else None,
        parts.labels if labels is None else _column(held[labels]),
        remarks,
    )


def _column(values: np.ndarray) -> np.ndarray:
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _feature(name: str, values: np.ndarray, points: int) -> np.ndarray:
    """Features of points as (points, features); colours in whole numbers become parts of the largest one."""
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != points:
        raise ValueError(f"{name}: found shape {values.shape}, expected ({points}, features)")
    if values.dtype.kind not in "uif":
        raise ValueError(f"{name}: found {values.dtype}, expected real numbers")
    return values / 255 if name in COLOURS and values.dtype.kind in "ui" else values.astype(np.float64)


def _first(held: Mapping[str, np.ndarray], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in held), None)
