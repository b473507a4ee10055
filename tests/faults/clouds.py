"""Readers of point clouds and meshes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import laspy
import numpy as np
import trimesh

from sampleformer.data import CloudArrays, CloudFolder, CloudTable, ModelNet10
from sampleformer.data.point_cloud.published.s3dis_rooms import read_room
from sampleformer.data.point_cloud.reading import read_cloud
from tests.data.point_cloud.small import write_meshes, write_shapes
from tests.faults.reader import READERS, Reader, reader, zipped
from tests.training.small import write_csv

POINTS = np.random.default_rng(0).normal(size=(12, 3)).round(3)
FACES = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]


def _ply(binary: str) -> bytes:
    """With normals, colours and a list, in one of the three forms."""
    names = ("x", "y", "z", "nx", "ny", "nz", "red")
    kinds = ["float"] * 6 + ["uchar"]
    header = f"ply\nformat {binary} 1.0\ncomment made\nelement vertex {len(POINTS)}\n"
    header += "".join(f"property {kind} {name}\n" for kind, name in zip(kinds, names, strict=True))
    header += f"element face {len(FACES)}\nproperty list uchar int vertex_indices\nend_header\n"
    if binary == "ascii":
        lines = [" ".join(map(str, [*point, 0, 0, 1, 200])) for point in POINTS.tolist()]
        return (header + "\n".join([*lines, *(f"3 {a} {b} {c}" for a, b, c in FACES)]) + "\n").encode()
    order = "<" if "little" in binary else ">"
    rows = np.zeros(len(POINTS), [(name, f"{order}f4" if name != "red" else "u1") for name in names])
    for place, name in enumerate("xyz"):
        rows[name] = POINTS[:, place]
    faces = np.zeros(len(FACES), [("count", "u1"), ("ends", f"{order}i4", 3)])
    faces["count"], faces["ends"] = 3, FACES
    return header.encode() + rows.tobytes() + faces.tobytes()


def _pcd(form: str) -> bytes:
    header = (
        "FIELDS x y z label\nSIZE 4 4 4 2\nTYPE F F F U\nCOUNT 1 1 1 1\nWIDTH 12\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\n"
    )
    header += f"POINTS 12\nDATA {form}\n"
    rows = np.zeros(12, [("p", "<f4", 3), ("label", "<u2")])
    rows["p"] = POINTS
    if form == "ascii":
        return (header + "".join(f"{a} {b} {c} 1\n" for a, b, c in POINTS.tolist())).encode()
    if form == "binary":
        return header.encode() + rows.tobytes()
    columns = (
        b"".join(np.ascontiguousarray(rows["p"][:, axis]).tobytes() for axis in range(3)) + rows["label"].tobytes()
    )
    parts = [columns[start : start + 32] for start in range(0, len(columns), 32)]
    literal = b"".join(bytes([len(part) - 1]) + part for part in parts)
    return header.encode() + np.array([len(literal), len(columns)], "<u4").tobytes() + literal


def _scan(path: Path) -> None:
    header = laspy.LasHeader(point_format=3, version="1.2")
    header.scales, header.offsets = [0.001] * 3, POINTS.min(axis=0)
    data = laspy.LasData(header)
    data.xyz = POINTS
    data.write(path)


def _h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=np.tile(POINTS, (20, 1, 1)), compression="gzip")
        file["label"] = np.arange(20)[:, None] % 2
        file["names"] = np.array([b"a", b"b"])


CLOUDS: dict[str, Callable[[Path], Any]] = {
    "a.off": lambda path: trimesh.Trimesh(POINTS, FACES).export(path, file_type="off"),
    "a.obj": lambda path: path.write_text(
        "o a\n" + "".join(f"v {a} {b} {c}\n" for a, b, c in POINTS.tolist()) + "vt 0 0\nf 1/1 2/1 3/1\nf -1 -2 -3 -4\n"
    ),
    "ascii.stl": lambda path: trimesh.Trimesh(POINTS, FACES).export(path, file_type="stl_ascii"),
    "binary.stl": lambda path: trimesh.Trimesh(POINTS, FACES).export(path, file_type="stl"),
    "ascii.ply": lambda path: path.write_bytes(_ply("ascii")),
    "little.ply": lambda path: path.write_bytes(_ply("binary_little_endian")),
    "big.ply": lambda path: path.write_bytes(_ply("binary_big_endian")),
    "ascii.pcd": lambda path: path.write_bytes(_pcd("ascii")),
    "binary.pcd": lambda path: path.write_bytes(_pcd("binary")),
    "compressed.pcd": lambda path: path.write_bytes(_pcd("binary_compressed")),
    "a.xyz": lambda path: path.write_text("# made\n" + "".join(f"{a} {b} {c}\n" for a, b, c in POINTS.tolist())),
    "a.txt": lambda path: path.write_text("x,y,z,label\n" + "".join(f"{a},{b},{c},1\n" for a, b, c in POINTS.tolist())),
    "a.npy": lambda path: np.save(path, POINTS),
    "a.npz": lambda path: np.savez_compressed(path, points=POINTS, labels=np.arange(12), normals=POINTS),
    "a.las": _scan,
    "a.laz": _scan,
}
for _target, _write in CLOUDS.items():
    READERS[f"cloud {_target}"] = Reader(
        _target,
        (lambda write, target: lambda folder: write(folder / target))(_write, _target),
        (lambda target: lambda folder, on_error: read_cloud(folder / target, 32, np.random.default_rng(0)))(_target),
    )


@reader("clouds .h5", "a.h5", lambda folder: _h5(folder / "a.h5"))
def _(folder: Path, on_error: str) -> Any:
    return CloudArrays(str(folder / "a.h5"), on_error=on_error, points=8, stored=16).load()


@reader("clouds of a folder", "ball/3.xyz", lambda folder: write_shapes(folder, 10))
def _(folder: Path, on_error: str) -> Any:
    return CloudFolder(str(folder), on_error=on_error, points=8, stored=16).load()


def _cloud_table(folder: Path) -> None:
    write_shapes(folder, 10)
    paths = sorted(folder.rglob("*.xyz"))
    write_csv(
        folder / "t.csv", ["path", "y"], [[path.relative_to(folder), number % 2] for number, path in enumerate(paths)]
    )


@reader("clouds of a table", "t.csv", _cloud_table)
def _(folder: Path, on_error: str) -> Any:
    return CloudTable(str(folder / "t.csv"), "path", "y", on_error=on_error, points=8, stored=16).load()


def _modelnet(folder: Path) -> None:
    shapes = write_meshes(folder / "ModelNet10")
    files = {f"ModelNet10/{path.relative_to(shapes)}": path.read_bytes() for path in sorted(shapes.rglob("*.off"))}
    zipped(folder / "ModelNet10.zip", files)


@reader("modelnet .zip", "ModelNet10.zip", _modelnet)
def _(folder: Path, on_error: str) -> Any:
    return ModelNet10(str(folder / "ModelNet10.zip"), cache=str(folder / "cache"), points=8, stored=16).load()


def _room(folder: Path) -> None:
    (folder / "Annotations").mkdir(exist_ok=True)
    for name in ("floor_1", "clutter_1"):
        (folder / "Annotations" / f"{name}.txt").write_text(
            "".join(f"{a} {b} {c} 10 20 30\n" for a, b, c in POINTS.tolist())
        )


@reader("room of S3DIS", "Annotations/floor_1.txt", _room)
def _(folder: Path, on_error: str) -> Any:
    return read_room(folder / "Annotations")
