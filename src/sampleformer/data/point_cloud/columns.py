"""What the columns of a table of points are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.errors import one_line

POSITIONS = ("x", "y", "z")
NORMALS = ("nx", "ny", "nz")
LABEL = "label"
LEFT_OUT = "-"
# Files hold normals with two or three digits.
UNIT_TOLERANCE = 0.01


class CloudParts(NamedTuple):
    """Numbers of a cloud in the precision of their source, see `Cloud.measured`."""

    points: np.ndarray
    normals: np.ndarray | None
    features: np.ndarray | None
    labels: np.ndarray | None


def cloud_of_columns(values: np.ndarray, columns: Sequence[str] | None = None, remarks: tuple[str, ...] = ()) -> Cloud:
    """A cloud from one row a point.

    Args:
        values: Numbers, (n, c).
        columns: Meaning of each column, see `parts_of_columns`.
        remarks: Remarks of the cloud.

    Raises:
        ValueError: if columns are missing, or `Cloud` refuses the numbers.

    Example:
        >>> cloud_of_columns(np.array([[0, 0, 0, 7.0]]), ["x", "y", "z", "label"]).labels
        array([7])
    """
    return Cloud.measured(*parts_of_columns(values, columns), remarks=remarks)


def parts_of_columns(values: np.ndarray, columns: Sequence[str] | None = None) -> CloudParts:
    """Coordinates, normals, features and labels among columns.

    Without names, the first three columns are coordinates; the next three are normals if all of them are of unit
    length; all others are features.

    Args:
        values: Numbers, (n, c).
        columns: Meaning of each column: "x", "y", "z", "nx", "ny", "nz", "label", "-" (left out), anything else: a
            feature.

    Raises:
        ValueError: if columns are missing.
    """
    if values.ndim != 2:
        raise ValueError(f"found an array of shape {values.shape}, expected (points, columns)")
    width = values.shape[1]
    if columns is None:
        columns = _guessed(values)
    if len(columns) != width:
        raise ValueError(f"found {width} columns, expected {len(columns)}: {one_line(' '.join(columns), 200)}")
    places: dict[str, list[int]] = {}
    for place, name in enumerate(columns):
        places.setdefault(name, []).append(place)
    for name in (*POSITIONS, *NORMALS, LABEL):
        if len(places.get(name, [])) > 1:
            raise ValueError(f"columns: found {name!r} twice, expected it once")
    missing = [name for name in POSITIONS if name not in places]
    if any(name in places for name in NORMALS):
        missing += [name for name in NORMALS if name not in places]
    if missing:
        beside = one_line(" ".join(sorted(set(columns))), 200)
        raise ValueError(f"columns: found no {missing[0]!r}, expected it beside {beside}")
    known = {*POSITIONS, *NORMALS, LABEL, LEFT_OUT}
    others = [place for place, column in enumerate(columns) if column not in known]
    return CloudParts(
        values[:, [places[name][0] for name in POSITIONS]],
        values[:, [places[name][0] for name in NORMALS]] if NORMALS[0] in places else None,
        values[:, others] if others else None,
        values[:, places[LABEL][0]] if LABEL in places else None,
    )


def _guessed(values: np.ndarray) -> list[str]:
    width = values.shape[1]
    if width < 3:
        raise ValueError(f"found {width} columns, expected 3 (x, y, z) or more")
    names = [*POSITIONS, *(f"feature {number}" for number in range(1, width - 2))]
    if width >= 6:
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(np.asarray(values[:, 3:6], np.float64), axis=1)
        if (np.abs(lengths - 1) <= UNIT_TOLERANCE).all():
            names[3:6] = NORMALS
    return names
