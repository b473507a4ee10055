"""PLY files in text and binary: polygons of any sizes, points with what they carry, every kind of bad file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.mesh import Mesh
from sampleformer.data.point_cloud.meshes import read_mesh
from sampleformer.data.point_cloud.ply import read_ply
from sampleformer.errors import InputError

FORMATS = ["ascii", "binary_little_endian", "binary_big_endian"]
CODES = {"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I", "float": "f", "double": "d"}
CORNERS = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 0.0), (-1.0, 0.5, 0.0)]
FACES = "list uchar int vertex_indices"

Row = tuple[object, ...]
Elements = dict[str, tuple[list[str], list[Row]]]


def ply(form: str, elements: Elements, end: str = "\n", header: str = "") -> bytes:
    """A PLY file of elements: properties as in the header, and rows; a list is a tuple in its row."""
    lines = ["ply", f"format {form} 1.0", *filter(None, [header])]
    for name, (properties, rows) in elements.items():
        lines += [f"element {name} {len(rows)}", *(f"property {each}" for each in properties)]
    result = end.join([*lines, "end_header", ""]).encode()
    order = ">" if form == "binary_big_endian" else "<"
    for properties, rows in elements.values():
        for row in rows:
            text = []
            for words, value in zip((each.split() for each in properties), row, strict=True):
                kinds = [CODES[words[-2]]]
                values = [value]
                if words[0] == "list":
                    kinds, values = [CODES[words[1]], *kinds * len(value)], [len(value), *value]
                text += [str(each) for each in values]
                if form != "ascii":
                    result += struct.pack(order + "".join(kinds), *values)
            if form == "ascii":
                result += (" ".join(text) + end).encode()
    return result


def write(folder: Path, content: bytes) -> Path:
    (folder / "a.ply").write_bytes(content)
    return folder / "a.ply"


XYZ = ["float x", "float y", "float z"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("faces", "triangles"),
    [
        ([(0, 1, 2), (0, 2, 3)], [[0, 1, 2], [0, 2, 3]]),
        (
            [(0, 1, 2, 3), (0, 3, 4), (4, 0, 1, 2, 3)],
            [[0, 1, 2], [0, 2, 3], [0, 3, 4], [4, 0, 1], [4, 1, 2], [4, 2, 3]],
        ),
        ([(0, 3, 4), (0, 1, 2, 3)], [[0, 3, 4], [0, 1, 2], [0, 2, 3]]),
        ([(0, 1, 2, 3)], [[0, 1, 2], [0, 2, 3]]),
    ],
)
@pytest.mark.parametrize("list_of", ["uchar int", "int uint", "ushort short"])
def test_polygons_of_any_sizes(
    tmp_path: Path, form: str, end: str, faces: list[Row], triangles: list[list[int]], list_of: str
) -> None:
    name = f"list {list_of} vertex_indices"
    elements = {"vertex": (XYZ, list(CORNERS)), "face": ([name], [(face,) for face in faces])}
    mesh = read_mesh(write(tmp_path, ply(form, elements, end)))
    assert isinstance(mesh, Mesh)
    assert mesh.vertices.tolist() == [list(corner) for corner in CORNERS]
    assert mesh.faces.tolist() == triangles
    assert mesh.remarks == ()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("equal", [True, False])
def test_what_stands_beside_vertices_and_corners_is_named(tmp_path: Path, form: str, equal: bool) -> None:
    second = ((0, 2, 3), (0.5,) * 6, 9) if equal else ((0, 2, 3, 4), (0.5,) * 8, 9)
    elements: Elements = {
        "camera": (["list uchar float view", "int id"], [((1.0, 2.0), 1)] + [] * equal),
        "vertex": ([*XYZ, "uchar red"], [(*corner, 7) for corner in CORNERS]),
        "face": ([FACES, "list uchar float texcoord", "uchar flags"], [((0, 1, 2), (0.5,) * 6, 9), second]),
        "edge": (["int vertex1", "int vertex2"], [(0, 1), (1, 2)]),
    }
    mesh = read_mesh(write(tmp_path, ply(form, elements)))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]] + ([] if equal else [[0, 3, 4]])
    assert mesh.remarks == ("not used: camera, texcoord of face, flags of face, edge, red of vertex",)
    assert mesh.sample(5, np.random.default_rng(0)).remarks == mesh.remarks


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("label", ["int label", "float scalar_Label", "uchar class"])
def test_points_carry_normals_colours_intensity_and_labels(tmp_path: Path, form: str, label: str) -> None:
    properties = [*XYZ, "float nx", "float ny", "float nz", "uchar red", "uchar green", "uchar blue", "uchar alpha"]
    properties += ["float scalar_Intensity", label, "double curvature"]
    value = 3.0 if label.startswith("float") else 3
    rows = [(*corner, 0.0, 0.0, 2.0, 255, 51, 0, 255, 0.5, value, 0.125) for corner in CORNERS]
    cloud = read_mesh(write(tmp_path, ply(form, {"vertex": (properties, rows)})))
    assert isinstance(cloud, Cloud)
    assert cloud.normals.tolist() == [[0, 0, 1]] * 5
    np.testing.assert_allclose(cloud.features, [[1, 0.2, 0, 0.5]] * 5, atol=1e-6)
    assert cloud.labels.tolist() == [3] * 5
    assert cloud.remarks == ("not used: alpha of vertex, curvature of vertex",)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("comment", ["comment Gr\xf6\xdfe", "obj_info \x85 end_header"])
def test_comments_need_not_be_utf8(tmp_path: Path, form: str, comment: str) -> None:
    content = ply(form, {"vertex": (XYZ, list(CORNERS))}, header="comment HERE")
    path = write(tmp_path, content.replace(b"comment HERE", comment.encode("latin-1")))
    assert len(read_mesh(path)) == 5


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("faces", [[(0, 1, 2), (0, 2, 3)], [(0, 1, 2), (0, 1, 2, 3)]], ids=["equal", "mixed"])
def test_every_cut_is_noticed(tmp_path: Path, form: str, faces: list[Row]) -> None:
    elements = {"vertex": (XYZ, list(CORNERS)), "face": ([FACES], [(face,) for face in faces])}
    content = ply(form, elements)
    for keep in range(len(content) - (form == "ascii")):
        with pytest.raises(InputError, match="a.ply: "):
            read_mesh(write(tmp_path, content[:keep]))


@pytest.mark.parametrize("form", FORMATS)
def test_rows_behind_those_of_the_header(tmp_path: Path, form: str) -> None:
    content = ply(form, {"vertex": (XYZ, list(CORNERS))})
    assert len(read_mesh(write(tmp_path, content + b"\n"))) == 5
    with pytest.raises(InputError, match="behind all rows"):
        read_mesh(write(tmp_path, content + b"1 2 3\n"))


def damaged(old: str, new: str) -> bytes:
    text = ply("ascii", {"vertex": (XYZ, list(CORNERS)), "face": ([FACES], [((0, 1, 2),)])}).decode()
    assert old in text
    return text.replace(old, new, 1).encode()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format ascii 1.0\n", "", "found no line format in the header"),
        ("format ascii", "format text", "line 2: found 'format text 1.0', expected a line of a PLY header"),
        ("vertex 5", "vertex five", "line 3: found 'element vertex five', expected a line of a PLY header"),
        ("vertex 5", "vertex -5", "line 3: found 'element vertex -5'"),
        ("vertex 5", "vertex " + 5000 * "5", "line 3: found 'element vertex 5+.*5+'"),
        (
            "vertex 5",
            "vertex 1000000000000",
            "cut short: found 6 lines of the element 'vertex', expected 1000000000000",
        ),
        ("element vertex", "element point", "found the elements 'point face', expected vertex, each once"),
        ("element face 1", "element vertex 1", "found the elements 'vertex vertex', expected vertex, each once"),
        ("float x", "float4 x", "line 4: found 'property float4 x'"),
        ("float x", "float y", "found the property 'y' of 'vertex' twice, expected it once"),
        ("float x", "float a", "vertex: found no property 'x', expected x, y and z"),
        ("list uchar int", "list float int", "line 8: found 'property list float int vertex_indices'"),
        ("list uchar int", "list uchar float", "line 8: found 'property list uchar float vertex_indices'"),
        ("vertex_indices", "corners", "the element face has no list vertex_indices or vertex_index, expected one"),
        ("3 0 1 2", "2 0 1", "face 1 has 2 corners, expected at least 3"),
        ("3 0 1 2", "4 0 1 2", "line 15: found 4 columns, expected 5"),
        ("3 0 1 2", "3 0 1 2 3", "line 15: found 5 columns, expected 4"),
        ("3 0 1 2", "3 0 1 -2", "face 1 names vertex -2"),
        ("3 0 1 2", "-3 0 1 2", "face 1 has -3 corners, expected at least 3"),
        ("3 0 1 2", "3 0 1 2.5", "line 15: found '2.5' in column 3, expected a whole number"),
        ("1.0 1.0 0.0", "1.0 1.0", "line 12: found 2 columns, expected 3"),
        ("1.0 1.0 0.0", "1,0 1,x 0,0", "line 12: found '1,x' in column 2, expected a finite number"),
    ],
)
def test_bad_files(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, damaged(old, new))
    with pytest.raises(InputError, match=message) as caught:
        read_mesh(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_whole_numbers_in_text_that_their_type_does_not_hold(tmp_path: Path) -> None:
    content = ply("ascii", {"vertex": ([*XYZ, "uchar red"], [(0.0, 0.0, 0.0, 300)])})
    with pytest.raises(InputError, match="red: row 1 is 300, expected whole numbers of the type uint8"):
        read_ply(write(tmp_path, content))


def test_a_list_of_a_negative_length(tmp_path: Path) -> None:
    content = ply(
        "binary_little_endian", {"vertex": (XYZ, list(CORNERS)), "face": (["list char int vertex_index"], [])}
    )
    content = content.replace(b"face 0", b"face 1") + struct.pack("<biii", -3, 0, 1, 2)
    with pytest.raises(InputError, match="row 1 of 'face': found a list of -3 numbers"):
        read_mesh(write(tmp_path, content))
