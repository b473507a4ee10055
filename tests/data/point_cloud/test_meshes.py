"""Mesh files: OFF with all that is tolerated, OBJ, PLY, STL; clouds without faces; every kind of bad file."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.mesh import Mesh
from sampleformer.data.point_cloud.meshes import MESH_SUFFIXES, read_mesh
from sampleformer.errors import InputError

VERTICES = "0 0 0\n1 0 0\n1 1 0\n0 1 0\n-1 0.5 0\n"
PLY = (
    "ply\nformat ascii 1.0\nelement vertex 5\nproperty float x\nproperty float y\nproperty float z\n"
    "element face {}\nproperty list uchar int vertex_indices\nend_header\n" + VERTICES
)
STL = "solid a\nfacet normal 0 0 1\nouter loop\n{}endloop\nendfacet\nendsolid a\n"
FAN = [[0, 1, 2], [0, 2, 3], [0, 3, 4]]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "head",
    [
        "OFF\n5 1 0\n",
        "OFF5 1 0\n",
        "OFF 5 1 0\n",
        "off\n5 1\n",
        "OFF # words\n\n# more\n5 1 0 # counts\n",
        "COFF\r\n5 1 0\r\n",
    ],
)
def test_headers_of_off_files(tmp_path: Path, head: str) -> None:
    mesh = read_mesh(write(tmp_path, "a.off", f"{head}{VERTICES}5 0 1 2 3 4\n"))
    assert mesh.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [-1, 0.5, 0]]
    assert mesh.faces.tolist() == FAN


def test_what_follows_in_lines_of_off_files_is_passed_over(tmp_path: Path) -> None:
    rows = "".join(f"{line} 255 0 0 255  # red\n" for line in VERTICES.splitlines())
    mesh = read_mesh(write(tmp_path, "a.off", f"COFF\n5 2 0\n{rows}4 0 1 2 3 0.5 0.5 0.5\n3 0 3 4 7\n"))
    assert mesh.faces.tolist() == FAN


def test_faces_of_off_files_keep_their_order(tmp_path: Path) -> None:
    mesh = read_mesh(write(tmp_path, "a.off", f"OFF5 3 0\n{VERTICES}4 0 1 2 3\n3 0 1 4\n4 1 2 3 4\n"))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 4], [1, 2, 3], [1, 3, 4]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "found only comments, expected an OFF file"),
        ("PLY\n5 1 0\n", "line 1: found 'PLY', expected OFF, in ASCII and three dimensions"),
        ("OFFENDER 1 2\n", "line 1: found 'OFFENDER 1 2', expected OFF"),
        ("4OFF\n5 1 0\n", "line 1: found '4OFF', expected OFF"),
        ("OFF BINARY\n5 1 0\n", "line 1: found 'OFF BINARY', expected OFF, in ASCII"),
        (b"OFF\n\xff\xfe\n", r"line 2: found 1 column, expected at least 2"),
        ("OFF\n", "found no line after the header, expected the numbers of vertices and faces"),
        ("OFF\n5\n", "line 2: found 1 column, expected at least 2"),
        ("OFF\n5 x 0\n", "line 2: found 'x' in column 2, expected a finite number"),
        ("OFF5 1.5 0\n", "line 1: found '1.5' in column 2, expected a whole number"),
        ("OFF-1 1 0\n", "line 1: found 'OFF-1 1 0', expected OFF"),
        ("OFF\n-1 1 0\n", "line 2: found -1 vertices and 1 faces, expected no minus"),
        (
            f"OFF\n5 2 0\n{VERTICES}3 0 1 2\n",
            r"found 6 lines after the counts, expected 5 vertices and 2 faces \(line 2\)",
        ),
        ("OFF3 1 0\n0 0 0\n1 a 0\n0 1 0\n3 0 1 2\n", "line 3: found 'a' in column 2, expected a finite number"),
        ("OFF3 1 0\n0 0 0\n1 nan 0\n0 1 0\n3 0 1 2\n", "line 3: found 'nan' in column 2, expected a finite number"),
        ("OFF3 1 0\n0 0 0\n\n1 0\n0 1 0\n3 0 1 2\n", "line 4: found 2 columns, expected at least 3"),
        (f"OFF5 1 0\n{VERTICES}2 0 1\n", "line 7: found a face of 2 corners, expected at least 3"),
        (f"OFF5 1 0\n{VERTICES}3 0 1\n", "line 7: found 3 columns, expected at least 4"),
        (f"OFF5 1 0\n{VERTICES}3 0 1 2.5\n", "line 7: found '2.5' in column 4, expected a whole number"),
        (f"OFF5 1 0\n{VERTICES}3 0 1 5\n", r"face 1 names vertex 5 \(counted from 0\), expected less than 5"),
        (f"OFF5 0 0\n{VERTICES}", "the mesh is empty: found no faces"),
        ("OFF0 0 0\n", "the mesh is empty: found no faces"),
        (f"OFF5 1 0\n{VERTICES}3 0 1 1\n", "the mesh has no area: found 0 at an extent of 1"),
    ],
)
def test_bad_off_files(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = write(tmp_path, "bad.off", content)
    with pytest.raises(InputError, match=message) as caught:
        read_mesh(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["off", "obj", "ply", "stl"])
@pytest.mark.parametrize("shape", ["box", "icosphere"])
def test_every_format_gives_the_surface(tmp_path: Path, kind: str, shape: str) -> None:
    expected = getattr(trimesh.creation, shape)()
    path = tmp_path / f"a.{kind.upper()}"
    expected.export(path, file_type=kind)
    mesh = read_mesh(path)
    assert isinstance(mesh, Mesh)
    triangles = mesh.vertices[mesh.faces]
    np.testing.assert_allclose(triangles, expected.triangles, atol=1e-6)


def test_obj_with_textures_normals_and_corners_counted_back(tmp_path: Path) -> None:
    lines = "".join(f"v {line} 1.0\nvt 0 0\nvn 0 0 1\n" for line in VERTICES.splitlines())
    text = f"# a\nmtllib none.mtl\no one\n{lines}usemtl red\nf 1/1/1 2//2 \\\n 3/3 4 5\nf -5 -4 -3\nv 9 9 9\n"
    mesh = read_mesh(write(tmp_path, "a.obj", text))
    assert mesh.faces.tolist() == [*FAN, [0, 1, 2]]
    assert mesh.vertices.tolist()[-2:] == [[-1, 0.5, 0], [9, 9, 9]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello\n", "the mesh is empty: found no faces"),
        (
            "v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 9\n",
            "line 4: the face names vertex 9, expected 1 to 3, or back from -1 to -3",
        ),
        ("v 0 0 0\nv 1 0 0\nv 1 1 0\nf 0 1 2\n", "line 4: the face names vertex 0, expected 1 to 3"),
        ("v 0 0 0\nv 1 0 0\nf -3 -2 -1\nv 1 1 0\n", "line 3: the face names vertex -3, expected 1 to 3, or back"),
        ("v 0 0 0\nv 1 0 0\nf 1 2\n", "line 3: found a face of 2 corners, expected at least 3"),
        ("v 0 0 0\nv 1 0 0\nf 1 2 x/1\n", "line 3: found 'x/1', expected the number of a vertex"),
        ("v 0 0 0\nv 1 nan 0\nv 1 1 0\nf 1 2 3\n", "line 2: found 'nan' in column 3, expected a finite number"),
        ("v 0 0 0\nv 1 0\nv 1 1 0\nf 1 2 3\n", "line 2: found 3 columns, expected at least 4"),
        ("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "the mesh has no area"),
    ],
)
def test_bad_obj_files(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path, "bad.obj", content)
    with pytest.raises(InputError, match=message) as caught:
        read_mesh(path)
    assert str(caught.value).startswith(f"{path}: ")


POINTS_PLY = PLY.replace("element face {}\nproperty list uchar int vertex_indices\n", "")


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.ply", POINTS_PLY), ("a.ply", PLY.format(0)), ("a.obj", "v " + VERTICES.strip().replace("\n", "\nv "))],
)
def test_ply_and_obj_without_faces_are_clouds(tmp_path: Path, name: str, content: str) -> None:
    cloud = read_mesh(write(tmp_path, name, content))
    assert isinstance(cloud, Cloud)
    assert cloud.points.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [-1, 0.5, 0]]
    assert cloud.normals is None


def test_clouds_keep_normals_and_labels(tmp_path: Path) -> None:
    text = POINTS_PLY.replace(
        "float z\n", "float z\nproperty float nx\nproperty float ny\nproperty float nz\nproperty int label\n"
    )
    rows = "".join(f"{line} 0 0 2 {row}\n" for row, line in enumerate(VERTICES.splitlines()))
    cloud = read_mesh(write(tmp_path, "a.ply", text.replace(VERTICES, rows)))
    assert cloud.normals.tolist() == [[0, 0, 1]] * 5
    assert cloud.labels.tolist() == [0, 1, 2, 3, 4]
    obj = "".join(f"v {line}\nvn 0 3 0\n" for line in VERTICES.splitlines())
    assert read_mesh(write(tmp_path, "a.obj", obj)).normals.tolist() == [[0, 1, 0]] * 5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.ply", "hello\n", r"expected a PLY file that starts with the line ply"),
        ("a.ply", "ply\n", r"cut short: found no line end_header"),
        ("a.ply", PLY.format(1), "cut short: found 0 lines of the element 'face', expected 1 as in the header"),
        ("a.ply", PLY.format(1) + "3 0 1 9\n", r"face 1 names vertex 9 \(counted from 0\), expected less than 5"),
        ("a.ply", PLY.format(1).replace("-1 0.5", "-1 nan") + "3 0 1 4\n", r"line 14: found 'nan' in column 2"),
        ("a.ply", POINTS_PLY.replace("-1 0.5", "-1 nan"), r"line 12: found 'nan' in column 2"),
        ("a.ply", PLY.format(1) + "3 0 1 1\n", "the mesh has no area"),
        ("a.stl", "hello\n", r"found 'hello.n', expected an STL file"),
        ("a.stl", b"a" * 84, "cut short: found 84 bytes, too few for 1633771873 triangles as in the header"),
        ("a.stl", b"a" * 80 + bytes(4), "the mesh is empty: found no faces"),
        ("a.stl", "solid a\nendsolid a\n", "the mesh is empty: found no faces"),
        ("a.stl", STL.format("vertex 0 0 0\nvertex 1 0 0\nvertex 2 0 0\n"), "the mesh has no area"),
        ("a.stl", STL.format("vertex 0 0 0\nvertex 1 nan 0\nvertex 0 1 0\n"), r"line 5: found 'nan' in column 3"),
        (
            "a.stl",
            STL.format("vertex 0 0 0\nvertex 1 0\nvertex 0 1 0\n"),
            "line 5: found 3 columns, expected at least 4",
        ),
        ("a.stl", "", "the file is empty"),
        ("a.glb", "x", "found '.glb', expected one of .off, .obj, .ply, .stl"),
    ],
)
def test_bad_ply_and_stl_files(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(InputError, match=message) as caught:
        read_mesh(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", MESH_SUFFIXES)
def test_missing_files_and_folders(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_mesh(tmp_path / f"none{kind}")
    (tmp_path / f"folder{kind}").mkdir()
    with pytest.raises(InputError, match="found a folder, expected a file"):
        read_mesh(tmp_path / f"folder{kind}")


@pytest.mark.parametrize("name", ["Tür".encode("latin-1"), "床".encode("shift-jis"), b"\x85\xff"])
def test_names_and_comments_need_not_be_utf8(tmp_path: Path, name: bytes) -> None:
    obj = b"# %b\no %b\ng %b\nmtllib %b.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n" % (name, name, name, name)
    assert read_mesh(write(tmp_path, "a.obj", obj)).remarks == ()
    off = b"OFF # %b\n3 1 0\n0 0 0 # %b\n1 0 0\n0 1 0\n3 0 1 2\n" % (name, name)
    assert read_mesh(write(tmp_path, "a.off", off)).faces.tolist() == [[0, 1, 2]]


def test_what_obj_files_hold_beside_the_surface_is_named(tmp_path: Path) -> None:
    rows = "".join(f"v {line} 1 0 0\nvt 0 0\nvn 0 0 1\n" for line in VERTICES.splitlines())
    mesh = read_mesh(write(tmp_path, "a.obj", f"{rows}usemtl red\nf 1/1 2/2 3/3\nl 1 2\n"))
    assert mesh.remarks == ("not used: lines vt, lines usemtl, lines l, normals, colours",)
    cloud = read_mesh(write(tmp_path, "b.obj", rows.replace("vn 0 0 1\n", "", 1)))
    assert cloud.normals is None
    assert cloud.features.tolist() == [[1, 0, 0]] * 5
    assert cloud.remarks == ("not used: lines vt, lines vn",)


@pytest.mark.parametrize(
    ("text", "remarks"),
    [
        (f"OFF\n5 1 0\n{VERTICES}3 0 1 2\n", ()),
        (f"OFF\n5 1 0\n{VERTICES}3 0 1 2 255 0 0\n", ("not used: colours, normals or textures",)),
        (
            f"COFF\n5 1 0\n{VERTICES}3 0 1 2\n".replace("1 1 0", "1 1 0 9 9 9"),
            ("not used: colours, normals or textures",),
        ),
    ],
)
def test_what_off_files_hold_beside_the_surface_is_named(tmp_path: Path, text: str, remarks: tuple[str, ...]) -> None:
    assert read_mesh(write(tmp_path, "a.off", text)).remarks == remarks


def test_off_files_hold_what_their_counts_say(tmp_path: Path) -> None:
    whole = f"OFF\n5 2 0\n{VERTICES}3 0 1 2\n4 0 1 2 3\n"
    for keep in range(len(whole) - 1):
        with pytest.raises(InputError, match="a.off: "):
            read_mesh(write(tmp_path, "a.off", whole[:keep]))
    with pytest.raises(InputError, match="found 8 lines after the counts, expected 5 vertices and 2 faces"):
        read_mesh(write(tmp_path, "a.off", whole + "3 2 3 4\n"))


@pytest.mark.parametrize("kind", ["off", "obj"])
def test_decimal_commas_never_become_other_coordinates(tmp_path: Path, kind: str) -> None:
    rows = "0,5 0 0\n1,5 0 0\n0 1,25 0\n"
    off, obj = f"OFF\n3 1 0\n{rows}3 0 1 2\n", "v " + rows.strip().replace("\n", "\nv ") + "\nf 1 2 3\n"
    mesh = read_mesh(write(tmp_path, f"a.{kind}", off if kind == "off" else obj))
    assert mesh.vertices.tolist() == [[0.5, 0, 0], [1.5, 0, 0], [0, 1.25, 0]]


@pytest.mark.parametrize("number", ["1e155", "1e39", "-4e38"])
@pytest.mark.parametrize("kind", ["off", "obj", "stl"])
def test_numbers_beyond_single_precision(tmp_path: Path, kind: str, number: str) -> None:
    vertices = f"0 0 0\n{number} 0 0\n0 1 0\n"
    content = {
        "off": f"OFF\n3 1 0\n{vertices}3 0 1 2\n",
        "obj": "v " + vertices.strip().replace("\n", "\nv ") + "\nf 1 2 3\n",
        "stl": STL.format("vertex " + vertices.strip().replace("\n", "\nvertex ") + "\n"),
    }[kind]
    with pytest.raises(InputError, match=r"vertices: row 2, column 1 is .*, expected at most 3.4.*single precision"):
        read_mesh(write(tmp_path, f"a.{kind}", content))
