"""Points from NPY, NPZ and H5 files."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.cloud_set import CloudSet
from sampleformer.data.point_cloud.columns import cloud_of_columns
from sampleformer.data.point_cloud.file_check import check_file
from sampleformer.data.table_files import read_bytes
from sampleformer.errors import InputError
from sampleformer.extras import require

POINTS = ("points", "xyz", "data", "pos")
NORMALS = ("normals", "normal")
FEATURES = ("features",)
POINT_LABELS = ("labels", "pid", "seg", "label")
CLASSES = ("label", "labels")


def read_npy(path: Path, columns: Sequence[str] | None = None) -> Cloud:
    """The points of an NPY file, an array (points, columns).

    Args:
        path: the file.
        columns: what the columns are, see `cloud_of_columns`.

    Raises:
        InputError: if it cannot be read, or holds no such array.
    """
    values = _load(path)
    if not isinstance(values, np.ndarray):
        raise InputError(f"{path}: found a file of several arrays, expected an NPY file with one")
    return _one(path, {"points": values}, columns)


def read_npz(path: Path, columns: Sequence[str] | None = None) -> Cloud:
    """The points of an NPZ file: the array `points` (or `xyz`, `data`, `pos`), and others if they are there.

    These are `normals`, `features`, and the points' `labels` (or `pid`, `seg`, `label`). Arrays of other names, and a
    single label, which is the class of the cloud, are passed over.

    Args:
        path: the file.
        columns: what the columns of the points are, see `cloud_of_columns`.

    Raises:
        InputError: if it cannot be read, or the arrays do not fit.
    """
    archive = _load(path)
    if isinstance(archive, np.ndarray):
        raise InputError(f"{path}: found a single array, expected an NPZ file with named arrays")
    known = (*POINTS, *NORMALS, *FEATURES, *POINT_LABELS)
    with archive:
        try:
            held = {name: archive[name] for name in archive.files if name in known}
        except Exception as error:  # numpy and zipfile raise errors of all kinds where a file is damaged
            raise InputError(f"{path}: not a valid NPZ file ({' '.join(str(error).split())})") from error
        names = archive.files
    if not any(name in held for name in POINTS):
        raise InputError(f"{path}: found the arrays {_listed(names)}, expected one of {', '.join(POINTS)}")
    return _one(path, held, columns)


def read_h5(path: Path, columns: Sequence[str] | None = None) -> CloudSet:
    """The clouds of an H5 file as ModelNet40, ScanObjectNN and ShapeNet are given out.

    `data` (clouds, points, columns), and if they are there `normal` (clouds, points, 3), `label`, the class of each
    cloud, and `pid` or `seg` (clouds, points), the part of each point. `data` (points, columns) is a single cloud.

    Args:
        path: the file.
        columns: what the columns of the data are, see `cloud_of_columns`.

    Raises:
        InputError: if it cannot be read, the arrays do not fit, or h5py is missing.
    """
    check_file(path)
    h5py = require("h5py", "points")
    try:
        with h5py.File(path, "r") as file:
            names = [str(name) for name in file]
            known = (*POINTS, *NORMALS, *FEATURES, *POINT_LABELS)
            used = [name for name in names if name in known and isinstance(file[name], h5py.Dataset)]
            held = {name: np.atleast_1d(file[name][()]) for name in used}
    except Exception as error:  # h5py raises errors of all kinds where a file is damaged
        raise InputError(f"{path}: not a valid H5 file ({' '.join(str(error).split())})") from error
    data = _first(held, POINTS)
    if data is None:
        raise InputError(f"{path}: found the arrays {_listed(names)}, expected one of {', '.join(POINTS)}")
    if data.ndim == 2:
        held = {name: values[None] for name, values in held.items()}
    elif data.ndim != 3:
        raise InputError(f"{path}: data: found shape {data.shape}, expected (clouds, points, columns)")
    return _many(path, held, 1 if data.ndim == 2 else len(data), columns)


def _many(path: Path, held: Mapping[str, np.ndarray], count: int, columns: Sequence[str] | None) -> CloudSet:
    for name, values in held.items():
        if len(values) != count:
            raise InputError(f"{path}: {name}: found {len(values)} clouds, expected {count} as in the data")
    of_points = {name: values for name, values in held.items() if name not in CLASSES or values.size > count}
    clouds = []
    for number in range(count):
        try:
            clouds.append(_cloud({name: values[number] for name, values in of_points.items()}, columns))
        except ValueError as error:
            raise InputError(f"{path}: cloud {number + 1} of {count}: {error}") from error
    classes = _first({name: values for name, values in held.items() if values.size == count}, CLASSES)
    if classes is not None and not np.issubdtype(classes.dtype, np.integer):
        raise InputError(f"{path}: label: found {classes.dtype}, expected whole numbers")
    return CloudSet(clouds, None if classes is None else classes.reshape(-1).astype(np.int64))


def _one(path: Path, held: Mapping[str, np.ndarray], columns: Sequence[str] | None) -> Cloud:
    try:
        return _cloud(held, columns)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _cloud(held: Mapping[str, np.ndarray], columns: Sequence[str] | None) -> Cloud:
    points = _first(held, POINTS)
    assert points is not None
    if not np.issubdtype(points.dtype, np.number):
        raise ValueError(f"points: found {points.dtype}, expected numbers")
    cloud = cloud_of_columns(points, columns)
    normals, features, labels = (_first(held, names) for names in (NORMALS, FEATURES, POINT_LABELS))
    if labels is not None and labels.size == 1 != len(cloud):
        labels = None  # the class of the cloud
    elif labels is not None and labels.shape == (len(cloud), 1):
        labels = labels[:, 0]
    return Cloud.measured(
        np.asarray(cloud.points, np.float64) + cloud.origin,
        cloud.normals if normals is None else normals,
        cloud.features if features is None else features,
        cloud.labels if labels is None else labels,
    )


def _first(held: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray | None:
    return next((held[name] for name in names if name in held), None)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(" ".join(name.split()) for name in names)


def _load(path: Path) -> Any:
    content = read_bytes(path, compressed=False)
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # numpy and zipfile raise errors of all kinds where a file is damaged
        kind, words = path.suffix[1:].upper(), " ".join(str(error).split())
        raise InputError(f"{path}: not a valid {kind} file of numbers ({words})") from error
