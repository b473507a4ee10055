"""Meshes from OFF, OBJ, PLY and STL files, or the points in those that have no faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud, not_used
from sampleformer.data.point_cloud.mesh import Mesh
from sampleformer.data.point_cloud.obj import read_obj
from sampleformer.data.point_cloud.off import read_off
from sampleformer.data.point_cloud.ply import Ply, read_ply
from sampleformer.data.point_cloud.stl import read_stl
from sampleformer.errors import InputError

MESH_SUFFIXES = (".off", ".obj", ".ply", ".stl")
"""What the names of mesh files end in."""
_AXES = ("x", "y", "z")
_NORMALS = ("nx", "ny", "nz")
_COLOURS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
_INTENSITIES = ("intensity", "reflectance")
_LABELS = ("label", "labels", "class", "classification")


def read_mesh(path: Path) -> Mesh | Cloud:
    """The surface in a file; the points of a PLY or OBJ file that has no faces.

    Vertices stay as they are in the file: none are merged or left out. Points keep their normals, their colours and
    intensity as features, and their labels. What is in the file and not used is in the remarks.

    Args:
        path: Path of a file whose name ends in one of `MESH_SUFFIXES`.

    Raises:
        InputError: if the file cannot be read, the mesh is empty or has no area, a vertex is not finite, or a face
            names a vertex that does not exist.
    """
    kind = path.suffix.lower()
    if kind not in MESH_SUFFIXES:
        raise InputError(f"{path}: found {kind!r}, expected one of {', '.join(MESH_SUFFIXES)}")
    read = {".off": _off, ".obj": _obj, ".ply": _ply, ".stl": _stl}[kind]
    try:
        return read(path)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _off(path: Path) -> Mesh:
    vertices, faces, unused = read_off(path)
    return Mesh(vertices, faces, not_used(["colours, normals or textures"] if unused else []))


def _stl(path: Path) -> Mesh:
    corners, attributes = read_stl(path)
    faces = np.arange(3 * len(corners)).reshape(-1, 3)
    return Mesh(corners.reshape(-1, 3), faces, not_used(["attributes of triangles"] if attributes else []))


def _obj(path: Path) -> Mesh | Cloud:
    found = read_obj(path)
    unused = [f"lines {kind}" for kind in found.unused]
    if len(found.triangles) or not len(found.vertices):
        unused += ["normals"] * (found.normals is not None) + ["colours"] * (found.colours is not None)
        return Mesh(found.vertices, found.triangles, not_used(unused))
    return Cloud.measured(found.vertices, found.normals, found.colours, remarks=not_used(unused))


def _ply(path: Path) -> Mesh | Cloud:
    found = read_ply(path)
    missing = [axis for axis in _AXES if axis not in found.vertices]
    if missing:
        raise ValueError(f"vertex: found no property {missing[0]!r}, expected x, y and z")
    points = _stacked(found, _AXES)
    if len(found.triangles) or not len(points):
        others = [f"{name} of vertex" for name in found.vertices if name not in _AXES]
        return Mesh(points.astype(np.float64), found.triangles, not_used([*found.unused, *others]))
    names = {name.lower().removeprefix("scalar_"): name for name in found.vertices}
    colours = next((each for each in _COLOURS if set(each) <= set(names)), ())
    intensities = [names[each] for each in _INTENSITIES if each in names]
    label = next((names[each] for each in _LABELS if each in names), None)
    normals = _NORMALS if set(_NORMALS) <= set(found.vertices) else ()
    columns = [_scaled(found.vertices[names[each]]) for each in colours]
    columns += [found.vertices[each].astype(np.float64) for each in intensities]
    used = {*_AXES, *normals, *(names[each] for each in colours), *intensities, label}
    unused = [*found.unused, *(f"{name} of vertex" for name in found.vertices if name not in used)]
    return Cloud.measured(
        points,
        _stacked(found, normals) if normals else None,
        np.stack(columns, axis=1) if columns else None,
        None if label is None else found.vertices[label],
        not_used(unused),
    )


def _stacked(found: Ply, names: Sequence[str]) -> np.ndarray:
    return np.stack([found.vertices[name] for name in names], axis=1)


def _scaled(values: np.ndarray) -> np.ndarray:
    """A colour from 0 to 1: in whole numbers it goes up to the largest one of its type."""
    return values / np.iinfo(values.dtype).max if values.dtype.kind in "ui" else values.astype(np.float64)
