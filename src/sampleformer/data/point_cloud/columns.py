"""What the columns of a table of points are."""

from collections.abc import Sequence

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud

POSITIONS = ("x", "y", "z")
NORMALS = ("nx", "ny", "nz")
LABEL = "label"
LEFT_OUT = "-"
# Files hold normals with two or three digits.
UNIT_TOLERANCE = 0.01


def cloud_of_columns(values: np.ndarray, columns: Sequence[str] | None = None) -> Cloud:
    """A cloud from one row a point.

    Without names, the first three columns are coordinates; the next three are normals if all of them are of unit
    length; all others are features.

    Args:
        values: (n, c) numbers.
        columns: what each column is: "x", "y", "z", "nx", "ny", "nz", "label", "-" (left out), anything else: a
            feature.

    Raises:
        ValueError: if columns are missing, or `Cloud` refuses the numbers.

    Example:
        >>> cloud_of_columns(np.array([[0, 0, 0, 7.0]]), ["x", "y", "z", "label"]).labels
        array([7])
    """
    if values.ndim != 2:
        raise ValueError(f"found an array of shape {values.shape}, expected (points, columns)")
    width = values.shape[1]
    if columns is None:
        columns = _guessed(values)
    if len(columns) != width:
        raise ValueError(f"found {width} columns, expected {len(columns)}: {' '.join(columns)}")
    places = {name: [place for place, column in enumerate(columns) if column == name] for name in columns}
    for name in (*POSITIONS, *NORMALS, LABEL):
        if len(places.get(name, [])) > 1:
            raise ValueError(f"columns: found {name!r} twice, expected it once")
    missing = [name for name in POSITIONS if name not in places]
    if any(name in places for name in NORMALS):
        missing += [name for name in NORMALS if name not in places]
    if missing:
        raise ValueError(f"columns: found no {missing[0]!r}, expected it beside {' '.join(sorted(set(columns)))}")
    known = {*POSITIONS, *NORMALS, LABEL, LEFT_OUT}
    others = [place for place, column in enumerate(columns) if column not in known]
    return Cloud.measured(
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
        lengths = np.linalg.norm(np.asarray(values[:, 3:6], np.float64), axis=1)
        if (np.abs(lengths - 1) <= UNIT_TOLERANCE).all():
            names[3:6] = NORMALS
    return names
