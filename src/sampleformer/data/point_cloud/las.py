"""Points from LAS and LAZ files of laser scanners."""

from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.file_check import check_file
from sampleformer.errors import InputError
from sampleformer.extras import require

LARGEST = 65535  # of the 16 bits that intensity and colours have
COLOURS = ("red", "green", "blue")


def read_las(path: Path) -> Cloud:
    """The points of a LAS or LAZ file, with intensity, colours if the file has them, and classes.

    Features are the intensity, then red, green and blue, each from 0 to 1; labels are the classification codes, 0 for a
    point that was never classified.

    Args:
        path: the file.

    Raises:
        InputError: if it cannot be read, or laspy is missing.

    Source: ASPRS, "LAS Specification 1.4".
    """
    check_file(path)
    laspy = require("laspy", "points")
    try:
        scan = laspy.read(path)
        names = ["intensity", *(name for name in COLOURS if name in set(scan.point_format.dimension_names))]
        points = np.asarray(scan.xyz, np.float64)
        features = np.stack([np.asarray(scan[name], np.float64) / LARGEST for name in names], axis=1)
        labels = np.asarray(scan.classification, np.int64)
    except Exception as error:  # laspy and its decoders raise errors of all kinds where a file is damaged
        kind = path.suffix[1:].upper()
        raise InputError(f"{path}: not a valid {kind} file ({' '.join(str(error).split())})") from error
    try:
        return Cloud.measured(points, features=features, labels=labels)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
