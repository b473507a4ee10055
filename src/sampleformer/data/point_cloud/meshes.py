"""Meshes from OFF, OBJ, PLY and STL files."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.mesh import Mesh
from sampleformer.data.point_cloud.obj import read_obj
from sampleformer.data.point_cloud.off import read_off
from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.reading import check_file, reading

_LONGEST_HEADER = 2**16

MESH_SUFFIXES = (".off", ".obj", ".ply", ".stl")
"""What the names of mesh files end in."""


def read_mesh(path: Path) -> Mesh | Cloud:
    """The surface in a file; the points of a PLY or OBJ file that has no faces.

    OFF and OBJ are read here; PLY and STL need the package trimesh. Vertices stay as they are in the file: none are
    merged or left out.

    Args:
        path: a file whose name ends in one of `MESH_SUFFIXES`.

    Returns:
        A mesh, or a cloud with the normals that the file holds.

    Raises:
        InputError: if the file cannot be read, the mesh is empty or has no area, a vertex is not finite, a face names a
            vertex that does not exist, or trimesh is missing.
    """
    kind = path.suffix.lower()
    normals: np.ndarray | None = None
    labels: np.ndarray | None = None
    if kind == ".off":
        vertices, faces = read_off(path)
    elif kind == ".obj":
        vertices, faces, normals = read_obj(path)
    elif kind in (".ply", ".stl"):
        vertices, faces, normals, labels = _read_with_trimesh(path, kind)
    else:
        raise InputError(f"{path}: found {kind!r}, expected one of {', '.join(MESH_SUFFIXES)}")
    try:
        if not len(faces) and len(vertices) and kind in (".ply", ".obj"):
            return Cloud.measured(vertices, normals, labels=labels)
        return Mesh(vertices, faces)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _read_with_trimesh(path: Path, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Vertices and faces; if there are no faces, the normals and the labels of the points."""
    name = kind[1:].upper()
    check_file(path)
    trimesh = require("trimesh", "points")
    with reading(path, f"a valid {name} file"):
        scene = trimesh.load_scene(str(path), file_type=kind[1:], process=False, skip_materials=True)
    found = list(scene.geometry.values())
    if not found:
        raise InputError(f"{path}: found no geometry, expected a valid {name} file with a mesh")
    surfaces = [part for part in found if hasattr(part, "faces")]
    if any(not len(part.faces) for part in surfaces):
        raise InputError(f"{path}: the mesh is empty: found no faces, expected at least one")
    if kind == ".ply":
        _check_counts(path, sum(len(part.vertices) for part in found), sum(len(part.faces) for part in surfaces))
    if not surfaces:
        return np.asarray(found[0].vertices, np.float64), np.zeros((0, 3), np.int64), *_of_points(found[0])
    starts = np.cumsum([0, *(len(part.vertices) for part in surfaces)])
    vertices = np.concatenate([np.asarray(part.vertices, np.float64) for part in surfaces])
    faces = [np.asarray(part.faces, np.int64) + start for part, start in zip(surfaces, starts, strict=False)]
    return vertices, np.concatenate(faces), None, None


def _check_counts(path: Path, vertices: int, faces: int) -> None:
    """Refuses a PLY file of fewer vertices or faces than its header says: trimesh takes those that are there."""
    with path.open("rb") as file:
        header = file.read(_LONGEST_HEADER).partition(b"end_header")[0].decode("latin-1")
    for name, count in (("vertex", vertices), ("face", faces)):
        said = re.search(rf"^\s*element\s+{name}\s+(\d+)", header, re.MULTILINE)
        if said is not None and count < int(said[1]):
            found = f"found {count} of the element {name}, expected {said[1]} as in the header"
            raise InputError(f"{path}: cut short: {found}")


def _of_points(part: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Normals and labels of the points of a PLY file, from where trimesh keeps what it does not use."""
    held = part.metadata.get("_ply_raw", {}).get("vertex", {}).get("data")
    if held is None:
        return None, None
    names = held.dtype.names if isinstance(held, np.ndarray) else tuple(held)
    normals = None
    if {"nx", "ny", "nz"} <= set(names or ()):
        normals = np.stack([np.asarray(held[axis], np.float64).reshape(-1) for axis in ("nx", "ny", "nz")], axis=1)
    labels = np.asarray(held["label"]).reshape(-1) if "label" in (names or ()) else None
    return normals, labels if labels is not None and np.issubdtype(labels.dtype, np.integer) else None
