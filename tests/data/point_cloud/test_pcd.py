"""PCD files in their three forms, and the compression of the third."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data.point_cloud.lzf import decompress_lzf
from sampleformer.data.point_cloud.pcd import read_pcd
from sampleformer.errors import InputError

HEADER = (
    "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\n"
    "FIELDS x _ y z normal_x normal_y normal_z label intensity\n"
    "SIZE 4 1 8 4 4 4 4 2 4\nTYPE F U F F F F F U F\nCOUNT 1 3 1 1 1 1 1 1 1\nWIDTH 3\nHEIGHT 1\n"
    "VIEWPOINT 0 0 0 1 0 0 0\nPOINTS 3\nDATA "
)
POINT = np.dtype(
    [
        ("x", "<f4"),
        ("pad", "<u1", 3),
        ("y", "<f8"),
        ("z", "<f4"),
        ("normals", "<f4", 3),
        ("label", "<u2"),
        ("intensity", "<f4"),
    ]
)
ROWS = [
    (1, (9, 9, 9), 2, 3, (0, 0, 1), 7, 0.5),
    (4, (9, 9, 9), 5, 6, (0, 2, 0), 8, 0.25),
    (7, (9, 9, 9), 8, 9, (3, 0, 0), 9, 0),
]


def compress(data: bytes) -> bytes:
    """LZF by the longest match at each place."""
    result, literals, place = bytearray(), bytearray(), 0

    def flush() -> None:
        for start in range(0, len(literals), 32):
            part = literals[start : start + 32]
            result.extend([len(part) - 1, *part])
        literals.clear()

    while place < len(data):
        best, distance = 0, 0
        for start in range(max(0, place - 8192), place):
            length = 0
            while length < 264 and place + length < len(data) and data[start + length] == data[place + length]:
                length += 1
            if length >= best:
                best, distance = length, place - start
        if best < 3:
            literals.append(data[place])
            place += 1
            continue
        flush()
        high, low = divmod(distance - 1, 256)
        result.extend([(best - 2) << 5 | high, low] if best < 9 else [7 << 5 | high, best - 9, low])
        place += best
    flush()
    return bytes(result)


def contents(kind: str) -> bytes:
    head = f"{HEADER}{kind}\n".encode()
    values = np.array(ROWS, POINT)
    if kind == "ascii":
        lines = [
            " ".join(str(x) for part in row for x in (part if isinstance(part, tuple) else (part,))) for row in ROWS
        ]
        return head + "\n".join(lines).encode() + b"\n"
    if kind == "binary":
        return head + values.tobytes()
    columns = (
        [values[name] for name in ("x", "pad", "y", "z")]
        + list(values["normals"].T)
        + [values["label"], values["intensity"]]
    )
    data = b"".join(np.ascontiguousarray(column).tobytes() for column in columns)
    compressed = compress(data)
    return head + struct.pack("<II", len(compressed), len(data)) + compressed


KINDS = ["ascii", "binary", "binary_compressed"]


@pytest.mark.parametrize("kind", KINDS)
def test_all_forms_hold_the_same(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.pcd").write_bytes(contents(kind))
    cloud = read_pcd(tmp_path / "a.pcd")
    assert cloud.points.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert cloud.normals.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert cloud.labels.tolist() == [7, 8, 9]
    assert cloud.features.tolist() == [[0.5], [0.25], [0]]


def test_coordinates_alone(tmp_path: Path) -> None:
    head = "VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 2\nHEIGHT 1\nPOINTS 2\nDATA ascii\n"
    text = f"{head}1 2 3\n4 5 6\n".replace("\n", "\r\n")
    (tmp_path / "a.pcd").write_bytes(text.encode())
    cloud = read_pcd(tmp_path / "a.pcd")
    assert cloud.points.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert cloud.normals is cloud.features is cloud.labels is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DATA ascii", "DATUM ascii", "found no line DATA in the header, expected a PCD file"),
        ("POINTS 3\n", "", "found no POINTS in the header, expected a PCD file"),
        ("POINTS 3", "POINTS many", "POINTS: found 'many', expected a number"),
        ("POINTS 3", "POINTS 4", "POINTS: found 4, expected 3, which is WIDTH 3 times HEIGHT 1"),
        ("WIDTH 3\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 3", "POINTS 4", "found 3 lines of points, expected 4"),
        ("WIDTH 3\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 3", "POINTS 2", "found 3 lines of points, expected 2"),
        ("POINTS 3", "POINTS " + 5000 * "3", "POINTS: found '3+.*3+', expected a number"),
        ("POINTS 3", "POINTS ٣", "POINTS: found .*, expected a number"),
        ("DATA ascii", "DATA zip", "DATA: found 'zip', expected ascii, binary or binary_compressed"),
        ("SIZE 4 1", "SIZE 4", "found FIELDS, SIZE, TYPE and COUNT of different lengths, expected one a field"),
        ("TYPE F", "TYPE Q", "found the field x of type Q, size 4, count 1, expected types F, U, I of 1 to 8 bytes"),
        ("SIZE 4", "SIZE 3", "found the field x of type F, size 3, count 1, expected types"),
        (
            "FIELDS x",
            "FIELDS a",
            "FIELDS: found a _ y z normal_x normal_y normal_z label intensity, expected x among them",
        ),
        ("\n1 9", "\nnan 9", "line 12: found 'nan' in column 1, expected a finite number"),
        ("\n4 9 9 9 5", "\n4 9 9 9 five", "line 13: found 'five' in column 5, expected a finite number"),
        ("9 9 9 8 9 3 0 0 9 0\n", "9 9 9 8\n", "line 14: found 5 columns, expected 11 as in the header"),
    ],
)
def test_bad_files(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = contents("ascii").decode()
    assert old in text
    path = tmp_path / "bad.pcd"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as caught:
        read_pcd(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).count(str(path)) == 1


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("lost", [1, 60, 10_000])
def test_files_cut_short(tmp_path: Path, kind: str, lost: int) -> None:
    head = len(f"{HEADER}{kind}\n")
    (tmp_path / "a.pcd").write_bytes(contents(kind)[: max(head, -lost + len(contents(kind)))])
    with pytest.raises(InputError, match="cut short: found"):
        read_pcd(tmp_path / "a.pcd")


def test_coordinates_that_are_not_finite(tmp_path: Path) -> None:
    values = np.array(ROWS, POINT)
    values["y"][1] = np.nan
    (tmp_path / "a.pcd").write_bytes(f"{HEADER}binary\n".encode() + values.tobytes())
    with pytest.raises(InputError, match=r"points: row 2 is \(4, nan, 6\), expected finite numbers"):
        read_pcd(tmp_path / "a.pcd")


@given(st.lists(st.sampled_from([b"a", b"bc", b"\0\0\0\0", bytes(range(50)), b"xyz" * 100]), max_size=40).map(b"".join))
def test_decompression_undoes_compression(data):
    assert decompress_lzf(compress(data), len(data)) == data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bytes([0x40]), "cut short"),
        (bytes([0xE0]), "cut short"),
        (bytes([0, 97, 0x40, 1]), "a reference before the start"),
        (bytes([5, 97]), "found 1 bytes, expected 9"),
        (bytes([0, 97]), "found 1 bytes, expected 9"),
    ],
)
def test_damaged_compression(data, message):
    with pytest.raises(ValueError, match=f"damaged LZF data: {message}"):
        decompress_lzf(data, 9)


@given(st.binary(max_size=60))
def test_any_bytes_decompress_or_are_refused(data):
    try:
        found = decompress_lzf(data, 20)
    except ValueError as error:
        found = str(error)
    assert found[:18] == "damaged LZF data: " if isinstance(found, str) else len(found) == 20


@pytest.mark.parametrize("kind", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize(("sizes", "counts"), [("4 4 4", "0 1 1"), ("4 4 4", "-1 1 1"), ("16 4 4", "1 1 1")])
def test_fields_of_impossible_sizes(tmp_path: Path, kind: str, sizes: str, counts: str) -> None:
    path = tmp_path / "x.pcd"
    header = f"FIELDS x y z\nSIZE {sizes}\nTYPE F F F\nCOUNT {counts}\nPOINTS 1\nDATA {kind}\n"
    path.write_bytes(header.encode() + (b"1 2 3\n" if kind == "ascii" else bytes(64)))
    with pytest.raises(InputError, match=r"x.pcd: found the field x of type F, .*, expected types F, U, I of 1 to 8"):
        read_pcd(path)


def test_a_field_that_is_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.pcd"
    path.write_text("FIELDS x y z x\nSIZE 4 4 4 4\nTYPE F F F F\nPOINTS 1\nDATA ascii\n1 2 3 4\n")
    with pytest.raises(InputError, match=r"x.pcd: FIELDS: found x y z x, expected x once"):
        read_pcd(path)


PACKED = 0x00FF8000  # red 255, green 128, blue 0


@pytest.mark.parametrize("type", ["U", "F"])
@pytest.mark.parametrize("kind", ["ascii", "binary"])
@pytest.mark.parametrize("name", ["rgb", "rgba"])
def test_packed_colours_are_features(tmp_path: Path, type: str, kind: str, name: str) -> None:
    head = f"FIELDS x y z {name} curvature\nSIZE 4 4 4 4 4\nTYPE F F F {type} F\nPOINTS 1\nDATA {kind}\n".encode()
    number = struct.unpack("<f", struct.pack("<I", PACKED))[0] if type == "F" else PACKED
    row = f"1 2 3 {number!r} 0\n".encode() if kind == "ascii" else struct.pack("<fffIf", 1, 2, 3, PACKED, 0)
    (tmp_path / "a.pcd").write_bytes(head + row)
    cloud = read_pcd(tmp_path / "a.pcd")
    np.testing.assert_allclose(cloud.features, [[1, 128 / 255, 0]], atol=1e-6)
    assert cloud.remarks == ("not used: curvature",)


def test_packed_colours_as_whole_numbers_in_a_float_field(tmp_path: Path) -> None:
    text = f"FIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F F\nPOINTS 1\nDATA ascii\n1 2 3 {PACKED}\n"
    (tmp_path / "a.pcd").write_text(text)
    np.testing.assert_allclose(read_pcd(tmp_path / "a.pcd").features, [[1, 128 / 255, 0]], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_points_behind_those_of_the_header(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.pcd").write_bytes(contents(kind) + b"7 8 9\n")
    with pytest.raises(InputError, match="found 4 lines of points|found 6 bytes behind all points"):
        read_pcd(tmp_path / "a.pcd")
    (tmp_path / "a.pcd").write_bytes(contents(kind) + bytes(16) * (kind != "ascii") + b"\n")
    assert len(read_pcd(tmp_path / "a.pcd")) == 3


@pytest.mark.parametrize("label", [1e20, 0.5, np.nan, -np.inf])
def test_labels_that_no_whole_number_holds(tmp_path: Path, label: float) -> None:
    head = b"FIELDS x y z label\nSIZE 4 4 4 4\nTYPE F F F F\nPOINTS 1\nDATA binary\n"
    (tmp_path / "a.pcd").write_bytes(head + struct.pack("<ffff", 1, 2, 3, label))
    with pytest.raises(InputError, match="a.pcd: labels: found .*, expected whole numbers"):
        read_pcd(tmp_path / "a.pcd")
