"""Points from LAS and LAZ files of laser scanners."""

import struct
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud, not_used
from sampleformer.data.point_cloud.laz import check_chunks
from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.reading import check_file, reading
from sampleformer.unpacking import check_unpacked

LARGEST = 65535  # of the 16 bits that intensity and colours have
COLOURS = ("red", "green", "blue")
_USED = ("X", "Y", "Z", "classification")
_RECORD, _EXTENDED_RECORD = 54, 60  # bytes of the headers of records that are not points


def read_las(path: Path) -> Cloud:
    """The points of a LAS or LAZ file, with intensity, colours if the file has them, and classes.

    Features are the intensity, then red, green and blue, each from 0 to 1; labels are the classification codes, 0 for a
    point that was never classified. The remarks name what else differs between the points and is not used.

    Args:
        path: the file.

    Raises:
        InputError: if it cannot be read, or laspy is missing.

    Source: ASPRS, "LAS Specification 1.4".
    """
    check_file(path)
    laspy = require("laspy", "points")
    # What overflows becomes infinite, which is refused with its point.
    with reading(path, f"a valid {path.suffix[1:].upper()} file"), np.errstate(over="ignore", invalid="ignore"):
        _check_records(path)
        with laspy.open(path) as reader:
            _check_points(path, reader.header)
            scan = reader.read()
        held = list(scan.point_format.dimension_names)
        names = ["intensity", *(name for name in COLOURS if name in held)]
        points = np.asarray(scan.xyz, np.float64)
        features = np.stack([np.divide(scan[name], LARGEST, dtype=np.float32) for name in names], axis=1)
        labels = np.asarray(scan.classification, np.uint8)
        others = [name for name in held if name not in (*_USED, *names)]
        unused = [name for name in others if len(points) and np.ptp(np.asarray(scan[name]), axis=0).any()]
        del scan
    try:
        return Cloud.measured(points, features=features, labels=labels, remarks=not_used(unused))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _check_records(path: Path) -> None:
    """Refuses counts of records that the file has no room for: laspy would go through all of them."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(247)
    if header[:4] != b"LASF" or len(header) < 104:
        raise ValueError("found no header that starts with LASF")
    header_size, points_start, records = struct.unpack_from("<HII", header, 94)
    if not header_size + records * _RECORD <= points_start <= size:
        raise ValueError(f"cut short: found {size} bytes, too few for {records} records before the points")
    if tuple(header[24:26]) >= (1, 4) and len(header) == 247:
        (extended,) = struct.unpack_from("<I", header, 243)
        if extended * _EXTENDED_RECORD > size:
            raise ValueError(f"cut short: found {size} bytes, too few for {extended} extended records")


def _check_points(path: Path, header: Any) -> None:
    """Refuses a number of points that the file has no room for: laspy would reserve the memory for it."""
    size, claimed = path.stat().st_size, header.point_count * header.point_format.size
    if header.are_points_compressed:
        check_unpacked(path, claimed)
        record = header.vlrs[header.vlrs.index("LasZipVlr")].record_data
        check_chunks(path, record, header.offset_to_point_data, header.point_count, header.point_format.size)
    elif claimed > size:
        raise ValueError(f"cut short: found {size} bytes, too few for {header.point_count} points")
