"""What arrays in a file are, by their names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.cloud_set import CloudSet
from sampleformer.data.point_cloud.columns import cloud_of_columns
from sampleformer.errors import InputError

POINTS = ("points", "xyz", "data", "pos")
NORMALS = ("normals", "normal", "normal_i8")
FEATURES = ("features",)
POINT_LABELS = ("labels", "pid", "seg", "label")
CLASSES = ("label", "labels")
NAMES = (*POINTS, *NORMALS, *FEATURES, *POINT_LABELS)
"""All names that mean something."""


def clouds_of_arrays(
    path: Path, held: Mapping[str, np.ndarray], found: Sequence[str], columns: Sequence[str] | None
) -> CloudSet:
    """The clouds in named arrays, as `read_npz` says.

    Args:
        path: the file that they are from.
        held: arrays with names from `NAMES`.
        found: the names of all arrays in the file.
        columns: what the columns of the points are, see `cloud_of_columns`.

    Raises:
        InputError: if there are no points, or the arrays do not fit.
    """
    points = _first(held, POINTS)
    if points is None:
        names = ", ".join(" ".join(name.split()) for name in found)
        raise InputError(f"{path}: found the arrays {names or 'none'}, expected one of {', '.join(POINTS)}")
    if points.ndim not in (2, 3):
        expected = "(points, columns) or (clouds, points, columns)"
        raise InputError(f"{path}: points: found shape {points.shape}, expected {expected}")
    single = points.ndim == 2
    many = {name: np.atleast_1d(values)[None] if single else np.atleast_1d(values) for name, values in held.items()}
    count = 1 if single else len(points)
    if not count:
        raise InputError(f"{path}: points: found shape {points.shape}, expected at least one cloud")
    for name, values in many.items():
        if len(values) != count:
            raise InputError(f"{path}: {name}: found {len(values)} clouds, expected {count}, as there are of points")
    of_points = {name: values for name, values in many.items() if name not in CLASSES or values.size > count}
    clouds = []
    for number in range(count):
        try:
            clouds.append(_cloud({name: values[number] for name, values in of_points.items()}, columns))
        except ValueError as error:
            place = "" if single else f"cloud {number + 1} of {count}: "
            raise InputError(f"{path}: {place}{error}") from error
    classes = _first({name: values for name, values in many.items() if name not in of_points}, CLASSES)
    return CloudSet(clouds, class_numbers(path, classes))


def class_numbers(path: Path, classes: np.ndarray | None) -> np.ndarray | None:
    """Classes of clouds as ``(clouds,)`` int64; None if there are none.

    Raises:
        InputError: if they are no whole numbers.
    """
    if classes is None:
        return None
    if not np.issubdtype(classes.dtype, np.integer):
        raise InputError(f"{path}: label: found {classes.dtype}, expected whole numbers")
    return classes.reshape(-1).astype(np.int64)


def _cloud(held: Mapping[str, np.ndarray], columns: Sequence[str] | None) -> Cloud:
    points = _first(held, POINTS)
    assert points is not None
    if not np.issubdtype(points.dtype, np.number):
        raise ValueError(f"points: found {points.dtype}, expected numbers")
    cloud = cloud_of_columns(points, columns)
    normals, features, labels = (_first(held, names) for names in (NORMALS, FEATURES, POINT_LABELS))
    if labels is not None and labels.shape == (len(cloud), 1):
        labels = labels[:, 0]
    return Cloud.measured(
        np.asarray(cloud.points, np.float64) + cloud.origin,
        cloud.normals if normals is None else normals,
        cloud.features if features is None else features,
        cloud.labels if labels is None else labels,
    )


def _first(held: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray | None:
    return next((held[name] for name in names if name in held), None)
