"""STL files in text and binary: what they give, and every cut."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from sampleformer.data.point_cloud.meshes import read_mesh
from sampleformer.errors import InputError

TRIANGLES = [[(0, 0, 0), (1, 0, 0), (0, 1, 0)], [(0, 0, 1), (1, 0, 1), (0, 1, 2)]]


def binary(attribute: int = 0, head: bytes = b"made by a test") -> bytes:
    rows = [struct.pack("<12fH", 0, 0, 1, *sum(corners, ()), attribute) for corners in TRIANGLES]
    return head.ljust(80) + struct.pack("<I", len(TRIANGLES)) + b"".join(rows)


def text(name: bytes = b"one") -> bytes:
    lines = [b"solid " + name]
    for corners in TRIANGLES:
        lines += [b"facet normal 0 0 1", b"  outer loop", *(b"    vertex %g %g %g" % corner for corner in corners)]
        lines += [b"  endloop", b"endfacet"]
    return b"\n".join([*lines, b"endsolid " + name, b""])


def read(folder: Path, content: bytes):
    (folder / "a.stl").write_bytes(content)
    return read_mesh(folder / "a.stl")


@pytest.mark.parametrize(
    "content",
    [
        binary(),
        binary(head=b"solid in spite of its name"),
        text(),
        text("Größe".encode("latin-1")),
        text().upper(),
        text().replace(b"\n", b"\r\n"),
        text()[:-1],
        binary() + b"\n",
    ],
)
def test_text_and_binary_hold_the_same(tmp_path: Path, content: bytes) -> None:
    mesh = read(tmp_path, content)
    assert mesh.vertices[mesh.faces].tolist() == [[list(corner) for corner in corners] for corners in TRIANGLES]
    assert mesh.remarks == ()


def test_several_solids_are_one_surface(tmp_path: Path) -> None:
    assert len(read(tmp_path, text() + text(b"two")).faces) == 4


def test_colours_of_triangles_are_named(tmp_path: Path) -> None:
    assert read(tmp_path, binary(0x8000)).remarks == ("not used: attributes of triangles",)


@pytest.mark.parametrize("content", [binary(), text(b""), binary(head=b"solid")], ids=["binary", "text", "solid"])
def test_every_cut_is_noticed(tmp_path: Path, content: bytes) -> None:
    for keep in range(len(content.rstrip())):
        with pytest.raises(InputError, match="a.stl: "):
            read(tmp_path, content[:keep])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (binary() + bytes(49) + b"x", "found 50 bytes behind 2 triangles, expected as many triangles as the header"),
        (text().replace(b"  endloop\n", b"", 1), "line 7: found 'endfacet', expected endloop"),
        (
            text().replace(b"  endloop\n", b"    vertex 1 2 3\n  endloop\n", 1),
            "line 7: found 'vertex 1 2 3', expected endl",
        ),
        (text().replace(b"endsolid one\n", b""), "cut short: the file ends in line 15 without endsolid"),
        (text().replace(b"vertex 1 0 0", b"vertex 1 x 0"), "line 5: found 'x' in column 3, expected a finite number"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"a.stl: {message}"):
        read(tmp_path, content)
