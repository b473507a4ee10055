"""One cloud from one file, of any kind that is known."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.arrays import read_h5, read_npy, read_npz
from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.cloud_set import CloudSet
from sampleformer.data.point_cloud.las import read_las
from sampleformer.data.point_cloud.mesh import Mesh
from sampleformer.data.point_cloud.meshes import MESH_SUFFIXES, read_mesh
from sampleformer.data.point_cloud.pcd import read_pcd
from sampleformer.data.point_cloud.text_points import read_text_points
from sampleformer.errors import InputError
from sampleformer.wording import count

TEXT_SUFFIXES = (".xyz", ".txt", ".csv")
SET_SUFFIXES = (".npz", ".h5", ".hdf5")
"""What the names of files end in that can hold many clouds."""
SUFFIXES = (*MESH_SUFFIXES, *TEXT_SUFFIXES, ".npy", *SET_SUFFIXES, ".pcd", ".las", ".laz")
"""What the names of files end in that can be read, in small letters."""


def read_cloud(path: Path, points: int, random: np.random.Generator, columns: Sequence[str] | None = None) -> Cloud:
    """The cloud in a file: `points` points drawn from a mesh, or all the points that the file holds.

    Args:
        path: a file whose name ends in one of `SUFFIXES`, in small or capital letters.
        points: how many points to draw if it holds a mesh.
        random: source of randomness for a mesh.
        columns: what the columns of text, NPY, NPZ and H5 files are, see `cloud_of_columns`.

    Raises:
        InputError: if the file is of no known kind or cannot be read, holds no points, a wrong number or several
            clouds; if a package is missing; if points < 1.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "corner.off")
        >>> _ = path.write_text("OFF3 1 0\\n1 0 0\\n0 1 0\\n0 0 1\\n3 0 1 2\\n")
        >>> len(read_cloud(path, 1024, np.random.default_rng(0)))
        1024
    """
    if points < 1:
        raise InputError(f"points: found {points}, expected at least 1")
    kind = path.suffix.lower()
    if kind in MESH_SUFFIXES:
        found = read_mesh(path)
        return found.sample(points, random) if isinstance(found, Mesh) else found
    if kind in TEXT_SUFFIXES:
        return read_text_points(path, columns)
    if kind == ".npy":
        return read_npy(path, columns)
    if kind in SET_SUFFIXES:
        clouds, classes = (several := read_cloud_set(path, columns)).clouds, several.classes
        if len(clouds) != 1:
            raise InputError(f"{path}: found {count(len(clouds), 'cloud')}, expected a file with one")
        remark = () if classes is None else ("the class in the file is not used",)
        return replace(clouds[0], remarks=(*clouds[0].remarks, *remark))
    if kind == ".pcd":
        return read_pcd(path)
    if kind in (".las", ".laz"):
        return read_las(path)
    raise InputError(f"{path}: found a name that ends in {kind!r}, expected one of {', '.join(SUFFIXES)}")


def read_cloud_set(path: Path, columns: Sequence[str] | None = None) -> CloudSet:
    """All the clouds in a file, and their classes.

    Args:
        path: a file whose name ends in one of `SET_SUFFIXES`, in small or capital letters.
        columns: what the columns of the points are, see `cloud_of_columns`.

    Raises:
        InputError: if the file is of another kind or cannot be read, or a package is missing.
    """
    kind = path.suffix.lower()
    if kind not in SET_SUFFIXES:
        raise InputError(f"{path}: found a name that ends in {kind!r}, expected one of {', '.join(SET_SUFFIXES)}")
    return read_npz(path, columns) if kind == ".npz" else read_h5(path, columns)
