"""Point clouds that a program holds, as rows of clouds."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.errors import InputError, shown
from sampleformer.tables.memory import PATH, listed_samples

_PARTS = ("points", "normals", "features")
_WORDS = "an array (points, 3 or more), a mapping of points, normals and features, a Cloud or a Path"


def is_cloud(value: Any) -> bool:
    """Whether a value is one cloud, and no sequence of them.

    Example:
        >>> is_cloud(np.zeros((5, 3))), is_cloud([[0, 0, 0], [1, 0, 0]]), is_cloud([np.zeros((5, 3))])
        (True, True, False)
    """
    if isinstance(value, np.ndarray):
        return value.ndim == 2
    if isinstance(value, list | tuple):  # of points, which are rows of numbers
        return bool(value) and isinstance(value[0], list | tuple) and not isinstance((*value[0], 0)[0], list | tuple)
    return isinstance(value, Cloud | Mapping | PathLike)


def cloud_rows_of(samples: Any, *, normals: bool) -> CloudRows:
    """Clouds in memory, named by their position from 0.

    Args:
        samples: Sequence of clouds: each an array ``(points, 3)`` or wider, whose further columns are the normal, if
            the model sees normals, and features; a mapping of such parts; a `Cloud`; or the path of a file.
        normals: Whether the model sees normals.

    Raises:
        InputError: if one is no cloud; it names its position.
    """
    samples = listed_samples(samples, _WORDS)
    clouds = [_cloud(position, sample, normals) for position, sample in enumerate(samples)]
    names = [str(position) for position in range(len(clouds))]
    return CloudRows(PATH, {"id": names}, range(len(clouds)), clouds=clouds)


def _cloud(position: int, sample: Any, normals: bool) -> Cloud | Path:
    if isinstance(sample, Cloud):
        return sample
    if isinstance(sample, PathLike):
        return Path(sample)
    try:
        return Cloud.measured(**_parts(sample, normals))
    except ValueError as error:  # NumPy says in the same way that rows have different lengths
        raise InputError(f"{PATH}: cloud {position}: {error}") from error


def _parts(sample: Any, normals: bool) -> dict[str, Any]:
    """Arguments of `Cloud.measured`."""
    if isinstance(sample, Mapping):
        if unknown := sample.keys() - {*_PARTS}:
            raise ValueError(f"found {shown(min(map(str, unknown)))}, expected {', '.join(_PARTS)}")
        if "points" not in sample:
            raise ValueError("found no points, expected an array (points, 3)")
        return {name: np.asarray(value) for name, value in sample.items() if value is not None}
    if not isinstance(sample, list | tuple | np.ndarray):
        raise ValueError(f"found {shown(sample)}, expected {_WORDS}")
    rows = np.asarray(sample)
    if rows.ndim != 2 or rows.shape[1] < (6 if normals else 3):
        least = "6 columns or more, the normal behind x, y and z" if normals else "(points, 3) or wider"
        raise ValueError(f"found shape {rows.shape}, expected {least}")
    # NumPy takes them for 1 and 0.
    if isinstance(sample, list | tuple) and any(isinstance(value, bool) for row in sample for value in row):
        raise ValueError("found true or false among numbers, expected real numbers")
    parts = {"points": rows[:, :3]}
    first = 6 if normals else 3
    if normals:
        parts["normals"] = rows[:, 3:6]
    if rows.shape[1] > first:
        parts["features"] = rows[:, first:]
    return parts
