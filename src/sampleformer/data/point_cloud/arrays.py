"""Points from NPY, NPZ and H5 files."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud, not_used
from sampleformer.data.point_cloud.cloud_set import CloudSet
from sampleformer.data.point_cloud.named_arrays import NAMES, POINTS, class_labels, clouds_of_arrays
from sampleformer.errors import InputError, one_line
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
        found = [one_line(str(name)) for name in file]
        used = {name: _own_dataset(path, file, name, h5py) for name in names if name in file}
        datasets = {name: dataset for name, dataset in used.items() if dataset is not None}
        check_unpacked(path, sum(dataset.nbytes for dataset in datasets.values()))
        arrays = {}
        for name, dataset in datasets.items():
            with reading(path, "an array of numbers or texts", f"array {name!r}"):
                if dataset.dtype.kind == "O" and h5py.check_string_dtype(dataset.dtype) is None:
                    raise ValueError(
                        f"found {h5py.check_dtype(vlen=dataset.dtype) or dataset.dtype} of variable length"
                    )
                arrays[name] = _values(path, dataset)
        return arrays, found


def _own_dataset(path: Path, file: Any, name: str, h5py: ModuleType) -> Any:
    """An array whose numbers lie in this file; None: a group.

    Raises:
        InputError: if it is elsewhere: what a stranger's file names is not opened.
    """
    if isinstance(file.get(name, getlink=True), h5py.HardLink):
        found = file[name]
        if not isinstance(found, h5py.Dataset):
            return None
        if not found.is_virtual and not found.external:
            return found
    raise InputError(f"{path}: array {name!r} is a link or lies in another file, expected it in this file")


def _values(path: Path, dataset: Any) -> np.ndarray:
    """Numbers, or texts for the bytes that h5py gives for them."""
    kind = dataset.dtype.kind
    if kind == "O":
        lengths = _text_lengths(path, dataset)
        check_unpacked(path, int(max(lengths.sum(), 4 * lengths.max(initial=0) * dataset.size)))
    values = np.asarray(dataset[()])
    if kind not in "OS":
        return values
    return np.array([each.decode() for each in values.reshape(-1).tolist()], dtype=str).reshape(dataset.shape)


def _text_lengths(path: Path, dataset: Any) -> np.ndarray:
    """Lengths that a file claims for texts of any length: HDF5 takes memory for each before it looks for the text.

    Raises:
        ValueError: if they are compressed.

    Source: The HDF Group, "HDF5 File Format Specification Version 3.0", IV.B: a length of 4 bytes, then the place.
    """
    if not dataset.size:
        return np.zeros(0, np.int64)
    address, _ = dataset.file.id.get_create_plist().get_sizes()
    element = np.dtype([("length", "<u4"), ("place", f"V{address + 4}")])
    start = dataset.id.get_offset()
    parts = [] if start is None else [(start, dataset.size * element.itemsize)]
    if dataset.chunks and not dataset.id.get_create_plist().get_nfilters():
        chunks = (dataset.id.get_chunk_info(number) for number in range(dataset.id.get_num_chunks()))
        parts = [(each.byte_offset, each.size) for each in chunks]
    if not parts:
        raise ValueError("found texts of variable length that are packed, expected texts of a fixed length")
    raw = []
    with path.open("rb") as file:
        for place, size in parts:
            file.seek(place)
            raw.append(file.read(size))
    return np.frombuffer(b"".join(raw), element)["length"].astype(np.int64)
