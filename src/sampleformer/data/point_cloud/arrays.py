"""Points from NPY, NPZ and H5 files."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.cloud_set import CloudSet
from sampleformer.data.point_cloud.file_check import check_file
from sampleformer.data.point_cloud.named_arrays import NAMES, clouds_of_arrays
from sampleformer.data.table_files import read_bytes
from sampleformer.errors import InputError
from sampleformer.extras import require


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
    if values.ndim != 2:
        raise InputError(f"{path}: found an array of shape {values.shape}, expected (points, columns)")
    return clouds_of_arrays(path, {"points": values}, ["points"], columns).clouds[0]


def read_npz(path: Path, columns: Sequence[str] | None = None) -> CloudSet:
    """The clouds of an NPZ file, by the names of its arrays.

    `points` (or `xyz`, `data`, `pos`) is (points, columns) for one cloud or (clouds, points, columns) for many. If they
    are there: `normals` (or `normal`, `normal_i8`); `features`; `labels` (or `pid`, `seg`, `label`), one a point. A
    `label` or `labels` with one number for each cloud is its class. Arrays of other names are passed over.

    Args:
        path: the file.
        columns: what the columns of the points are, see `cloud_of_columns`.

    Raises:
        InputError: if it cannot be read, or the arrays do not fit.
    """
    archive = _load(path)
    if isinstance(archive, np.ndarray):
        raise InputError(f"{path}: found a single array, expected an NPZ file with named arrays")
    with archive:
        try:
            held = {name: archive[name] for name in archive.files if name in NAMES}
        except Exception as error:  # numpy and zipfile raise errors of all kinds where a file is damaged
            raise InputError(f"{path}: not a valid NPZ file ({' '.join(str(error).split())})") from error
        found = archive.files
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
    check_file(path)
    h5py = require("h5py", "points")
    try:
        with h5py.File(path, "r") as file:
            found = [str(name) for name in file]
            used = [name for name in found if name in NAMES and isinstance(file[name], h5py.Dataset)]
            held = {name: np.asarray(file[name][()]) for name in used}
    except Exception as error:  # h5py raises errors of all kinds where a file is damaged
        raise InputError(f"{path}: not a valid H5 file ({' '.join(str(error).split())})") from error
    return clouds_of_arrays(path, held, found, columns)


def _load(path: Path) -> Any:
    content = read_bytes(path, compressed=False)
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # numpy and zipfile raise errors of all kinds where a file is damaged
        kind, words = path.suffix[1:].upper(), " ".join(str(error).split())
        raise InputError(f"{path}: not a valid {kind} file of numbers ({words})") from error
