"""Points from NPY, NPZ and H5 files."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud, not_used
from sampleformer.data.point_cloud.cloud_set import CloudSet
from sampleformer.data.point_cloud.named_arrays import NAMES, POINTS, class_labels, clouds_of_arrays
from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.reading import check_file, reading
from sampleformer.unpacking import check_unpacked, read_array, read_arrays, read_bytes

_ZIP = b"PK\x03\x04"


def read_npy(path: Path, columns: Sequence[str] | None = None) -> Cloud:
    """The points of an NPY file, an array (points, columns).

    Args:
        path: the file.
        columns: what the columns are, see `cloud_of_columns`.

    Raises:
        InputError: if it cannot be read, or holds no such array.
    """
    content = read_bytes(path)
    if content.startswith(_ZIP):
        raise InputError(f"{path}: found a file of several arrays, expected an NPY file with one")
    values = read_array(content, path)
    if values.ndim != 2:
        raise InputError(f"{path}: found an array of shape {values.shape}, expected (points, columns)")
    return clouds_of_arrays(path, {"points": values}, ["points"], columns).clouds[0]


def read_npz(path: Path, columns: Sequence[str] | None = None) -> CloudSet:
    """The clouds of an NPZ file, by the names of its arrays.

    `points` (or `xyz`, `data`, `pos`) is (points, columns) for one cloud or (clouds, points, columns) for many; with
    few columns before many points, these are exchanged. If they are there: `normals` (or `normal`, `normal_i8`);
    `features` (or `feats`), `colors` (or `rgb`) and `intensity`, which are all features; `labels` (or `pid`, `seg`,
    `label`), one a point. A `label` or `labels` with one number or text for each cloud is its class. Arrays of other
    names are not used, which the remarks of the clouds say.

    Args:
        path: the file.
        columns: what the columns of the points are, see `cloud_of_columns`.

    Raises:
        InputError: if it cannot be read, or the arrays do not fit.
    """
    held, found = _npz_arrays(path, NAMES)
    return clouds_of_arrays(path, held, found, columns)


def read_h5(path: Path, columns: Sequence[str] | None = None) -> CloudSet:
    """The clouds of an H5 file such as those of ModelNet40, ScanObjectNN and ShapeNet.

    The arrays have the names that `read_npz` knows: there, `data`, `normal`, `label` and `pid`.

    Args:
        path: the file.
        columns: what the columns of the data are, see `cloud_of_columns`.

    Raises:
        InputError: if it cannot be read, the arrays do not fit, or h5py is missing.
    """
    held, found = _h5_arrays(path, NAMES)
    return clouds_of_arrays(path, held, found, columns)


def read_array_set(
    path: Path,
    columns: Sequence[str] | None,
    others: Sequence[str],
    of_images: Callable[[np.ndarray], list[Cloud]],
) -> tuple[CloudSet, dict[str, np.ndarray]]:
    """The clouds of an NPZ or H5 file, and arrays of other names.

    Args:
        path: the file; NPZ or H5, by its name.
        columns: what the columns of the points are, see `cloud_of_columns`.
        others: names of further arrays that are wanted, if they are there.
        of_images: makes clouds of an array `image`, if there are no points and it is among the others.

    Raises:
        InputError: as `read_npz` and `read_h5`.
    """
    read = _npz_arrays if path.suffix.lower() == ".npz" else _h5_arrays
    held, found = read(path, (*NAMES, *others))
    further = {name: values for name, values in held.items() if name in others}
    points = {name: values for name, values in held.items() if name in NAMES}
    if "image" not in further or set(POINTS) & set(points):
        unused = [name for name in found if name not in others or name == "image"]
        return clouds_of_arrays(path, points, unused, columns), further
    try:
        clouds = of_images(further["image"])
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    labels = points.get("label")
    if labels is not None and labels.size != len(clouds):
        raise InputError(f"{path}: label: found {labels.size}, expected {len(clouds)}, one for each image")
    remarks = not_used([f"array {name}" for name in sorted(found) if name not in ("label", *others)])
    clouds = [replace(cloud, remarks=remarks) for cloud in clouds]
    return CloudSet(clouds, None if labels is None else class_labels(path, labels)), further


def _npz_arrays(path: Path, names: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of these names, and the names of all."""
    return read_arrays(path, names)


def _h5_arrays(path: Path, names: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of these names, and the names of all."""
    check_file(path)
    h5py = require("h5py", "points")
    with reading(path, "a valid H5 file"), h5py.File(path, "r") as file:
        found = [str(name) for name in file]
        used = [name for name in found if name in names and isinstance(file[name], h5py.Dataset)]
        check_unpacked(path, sum(file[name].nbytes for name in used))
        return {name: _texts(np.asarray(file[name][()])) for name in used}, found


def _texts(values: np.ndarray) -> np.ndarray:
    """An array as it is, or texts for the bytes that h5py gives for them."""
    if values.dtype.kind == "S" or (values.dtype.kind == "O" and all(isinstance(each, bytes) for each in values.flat)):
        return np.array([each.decode() for each in values.reshape(-1).tolist()], dtype=str).reshape(values.shape)
    return values
