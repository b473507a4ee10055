"""Many clouds in files of arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.arrays import read_array_set
from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.cloud_folders import check_name
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.image_clouds import image_clouds
from sampleformer.data.point_cloud.named_arrays import POINTS
from sampleformer.errors import InputError
from sampleformer.wording import count

LABEL = "label"
SPLIT = "split"
_SPLITS = ("train", "valid", "test")
_OTHERS = ("split", "is_test", "classes", "image")


def holds_cloud_arrays(path: str) -> bool:
    """Whether a path is an H5 file, or an NPZ file with points or images in it.

    Example:
        >>> holds_cloud_arrays("clouds.h5")
        True
    """
    place = Path(path)
    if place.suffix.lower() in (".h5", ".hdf5"):
        return True
    if place.suffix.lower() != ".npz" or not zipfile.is_zipfile(place):
        return False
    with zipfile.ZipFile(place) as archive:
        held = {name.removesuffix(".npy") for name in archive.namelist()}
    return bool({*POINTS, "image"} & held)


def read_array_rows(
    paths: Sequence[Path],
    columns: Sequence[str] | None = None,
    *,
    classes: Sequence[str] | None = None,
    lift: float = 0.0,
) -> CloudRows:
    """The clouds of NPZ and H5 files, one row each.

    Beside what `read_npz` knows: `split` (0 train, 1 valid, 2 test, or these words) or `is_test` for each cloud;
    `classes`, the names that the numbers in `label` stand for; and `image` (images, height, width), from which the ink
    becomes points, see `image_clouds`.

    Args:
        paths: the files, in order.
        columns: what the columns of the points are.
        classes: names that the numbers in `label` stand for, if the files do not say.
        lift: see `image_clouds`.

    Returns:
        A table with the columns id, `LABEL` (if the files have one for each cloud) and `SPLIT` (if they say).

    Raises:
        InputError: if a file cannot be read, or the files do not have the same arrays.
    """
    clouds: list[Cloud] = []
    held: dict[str, list[str]] = {"id": [], LABEL: [], SPLIT: []}
    short = len({path.name for path in paths}) == len(paths)
    for path in paths:
        name = path.name if short else str(path)
        if len(paths) > 1:
            check_name(Path(name))
        found, others = read_array_set(path, columns, _OTHERS, lambda values: image_clouds(values, lift))
        rows = len(found.clouds)
        clouds += found.clouds
        held["id"] += [f"{name}/{row}" if len(paths) > 1 else str(row) for row in range(rows)]
        names = others.get("classes", np.asarray(classes) if classes else None)
        if found.classes is not None:
            held[LABEL] += _named(path, found.classes, names)
        if (splits := _splits(path, others, rows)) is not None:
            held[SPLIT] += splits
    for array in (LABEL, SPLIT):
        if len(held[array]) not in (0, len(clouds)):
            raise InputError(f"{paths[0].parent}: some files have the array {array!r} and others lack it")
    kept = {column: values for column, values in held.items() if values}
    return CloudRows(_together(paths), kept, range(1, len(clouds) + 1), clouds=clouds, files=list(paths))


def _together(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} to {paths[-1].name}"


def _named(path: Path, classes: np.ndarray, names: np.ndarray | None) -> list[str]:
    """Names of the classes of clouds: the texts themselves, else those that the numbers stand for, else the numbers."""
    if names is None or classes.dtype.kind == "U":
        return [str(each) for each in classes.tolist()]
    if names.ndim != 1 or len(set(names.tolist())) < len(names):
        found = f"an array of shape {names.shape}" if names.ndim != 1 else "a name twice"
        raise InputError(f"{path}: classes: found {found}, expected a name for each class")
    wrong = np.flatnonzero((classes < 0) | (classes >= len(names)))
    if len(wrong):
        found = f"label: cloud {wrong[0] + 1} has the class {classes[wrong[0]]}"
        raise InputError(f"{path}: {found}, expected 0 to {len(names) - 1}")
    return names.astype(str)[classes].tolist()


def _splits(path: Path, others: dict[str, np.ndarray], rows: int) -> list[str] | None:
    name = next((name for name in ("split", "is_test") if name in others), None)
    if name is None:
        return None
    values = others[name].reshape(-1)
    if len(values) != rows:
        raise InputError(f"{path}: {name}: found {count(len(values), 'value')}, expected {rows}, one for each cloud")
    if values.dtype.kind in "US":
        words = [str(value) for value in values.astype(str).tolist()]
        if wrong := [word for word in words if word not in _SPLITS]:
            raise InputError(f"{path}: {name}: found {wrong[0]!r}, expected {', '.join(_SPLITS)}")
        return words
    if not np.isin(values, (0, 1, 2)).all():
        raise InputError(f"{path}: {name}: found {values[~np.isin(values, (0, 1, 2))][0]}, expected 0, 1 or 2")
    numbers = values.astype(np.int64) * (2 if name == "is_test" else 1)
    return [_SPLITS[min(number, 2)] for number in numbers.tolist()]
