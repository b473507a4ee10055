"""One cloud from a file of any kind, LAS and LAZ among them."""

import struct
import sys
from pathlib import Path

import h5py
import laspy
import numpy as np
import pytest
import trimesh

from sampleformer.data.point_cloud.reading import SUFFIXES, read_cloud, read_cloud_set
from sampleformer.errors import InputError

POINTS = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 2]])


def scan(path: Path, point_format: int = 3, points: np.ndarray = POINTS) -> None:
    header = laspy.LasHeader(point_format=point_format)
    header.scales, header.offsets = [0.001] * 3, points.min(axis=0)
    data = laspy.LasData(header)
    data.xyz = points
    data.intensity = np.array([0, 65535, 13107, 0])[: len(points)]
    data.classification = np.array([2, 0, 5, 6])[: len(points)]
    if "red" in set(data.point_format.dimension_names):
        data.red = np.array([65535, 0, 0, 0])[: len(points)]
    data.write(path)


def write(path: Path) -> None:
    kind = path.suffix.lower()
    if kind in (".off", ".obj", ".ply", ".stl"):
        trimesh.Trimesh(POINTS, [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]).export(path, file_type=kind[1:])
    elif kind == ".npy":
        np.save(path, POINTS)
    elif kind == ".npz":
        np.savez(path, points=POINTS)
    elif kind in (".h5", ".hdf5"):
        with h5py.File(path, "w") as file:
            file["data"] = POINTS[None]
    elif kind == ".pcd":
        lines = "\n".join(" ".join(map(str, row)) for row in POINTS)
        path.write_text(f"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 4\nDATA ascii\n{lines}\n")
    elif kind in (".las", ".laz"):
        scan(path)
    else:
        np.savetxt(path, POINTS, delimiter="," if kind == ".csv" else " ")


@pytest.mark.parametrize("kind", SUFFIXES)
def test_every_kind_is_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a{kind}"
    write(path)
    cloud = read_cloud(path, 50, np.random.default_rng(0))
    if kind in (".off", ".obj", ".ply", ".stl"):
        assert cloud.points.shape == cloud.normals.shape == (50, 3)
        assert np.array_equal(cloud.points, read_cloud(path, 50, np.random.default_rng(0)).points)
        assert (cloud.points >= 0).all()
        assert (cloud.points.sum(axis=1) <= 2).all()
    else:
        np.testing.assert_allclose(cloud.points, POINTS, atol=1e-6)


def test_capital_letters(tmp_path: Path) -> None:
    write(tmp_path / "a.XYZ")
    assert len(read_cloud(tmp_path / "a.XYZ", 10, np.random.default_rng(0))) == 4


@pytest.mark.parametrize("kind", [".csv", ".npy"])
def test_columns_are_passed_on(tmp_path: Path, kind: str) -> None:
    write(tmp_path / f"a{kind}")
    cloud = read_cloud(tmp_path / f"a{kind}", 10, np.random.default_rng(0), ["z", "y", "x"])
    assert cloud.points.tolist() == POINTS[:, ::-1].tolist()


def test_unknown_kind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a.doc: found a name that ends in '.doc', expected one of .off, .*, .laz"):
        read_cloud(tmp_path / "a.doc", 10, np.random.default_rng(0))


def test_no_points_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "a.off")
    with pytest.raises(InputError, match="points: found 0, expected at least 1"):
        read_cloud(tmp_path / "a.off", 0, np.random.default_rng(0))


def test_several_clouds_in_a_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros((2, 5, 3))
    with pytest.raises(InputError, match="a.h5: found 2 clouds, expected a file with one"):
        read_cloud(tmp_path / "a.h5", 10, np.random.default_rng(0))
    assert len(read_cloud_set(tmp_path / "a.h5")) == 2


def test_files_that_hold_no_set(tmp_path: Path) -> None:
    write(tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"a.npy: found a name that ends in '.npy', expected one of .npz, .h5, .hdf5"):
        read_cloud_set(tmp_path / "a.npy")


@pytest.mark.parametrize("kind", ["las", "laz"])
@pytest.mark.parametrize(("point_format", "features"), [(0, 1), (3, 4), (6, 1)])
def test_scans(tmp_path: Path, kind: str, point_format: int, features: int) -> None:
    far = POINTS + np.array([4_512_345.25, 512_345.5, 100])
    scan(tmp_path / f"a.{kind}", point_format, far)
    cloud = read_cloud(tmp_path / f"a.{kind}", 10, np.random.default_rng(0))
    np.testing.assert_allclose(cloud.points + np.array(cloud.origin), far, atol=1e-6)
    assert cloud.labels.tolist() == [2, 0, 5, 6]
    assert cloud.features.shape == (4, features)
    np.testing.assert_allclose(cloud.features[:, 0], [0, 1, 0.2, 0], atol=1e-6)
    if features == 4:
        assert cloud.features[:, 1:].tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_a_scan_without_points(tmp_path: Path) -> None:
    scan(tmp_path / "a.las", points=POINTS[:1])
    laspy.LasData(laspy.LasHeader(point_format=3)).write(tmp_path / "a.las")
    with pytest.raises(InputError, match="a.las: found no points, expected at least one"):
        read_cloud(tmp_path / "a.las", 10, np.random.default_rng(0))


@pytest.mark.parametrize("kind", ["las", "laz"])
@pytest.mark.parametrize("keep", [3, 100, 300, -1])
def test_scans_cut_short(tmp_path: Path, kind: str, keep: int) -> None:
    path = tmp_path / f"a.{kind}"
    scan(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=f"not a valid {kind.upper()} file") as caught:
        read_cloud(path, 10, np.random.default_rng(0))
    assert "\n" not in str(caught.value)


def test_what_fails_without_laspy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan(tmp_path / "a.las")
    monkeypatch.setitem(sys.modules, "laspy", None)
    with pytest.raises(InputError, match=r'pip install "sampleformer\[points\]"'):
        read_cloud(tmp_path / "a.las", 10, np.random.default_rng(0))


@pytest.mark.parametrize("kind", ["las", "laz"])
@pytest.mark.parametrize(
    ("place", "form", "message"),
    [
        (100, "<I", "too few for 4294967295 records before the points"),
        (243, "<I", "too few for 4294967295 extended records"),
        (247, "<Q", "(too few for|would unpack to) "),
        (0, "<B", "found no header that starts with LASF"),
    ],
)
def test_counts_that_a_scan_has_no_room_for(tmp_path: Path, kind: str, place: int, form: str, message: str) -> None:
    path = tmp_path / f"a.{kind}"
    scan(path, point_format=6)  # in version 1.4
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, place, 256 ** struct.calcsize(form) - 1)
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_cloud(path, 10, np.random.default_rng(0))


@pytest.mark.parametrize("kind", ["las", "laz"])
def test_what_scans_hold_beside_is_named(tmp_path: Path, kind: str) -> None:
    header = laspy.LasHeader(point_format=3)
    header.add_extra_dim(laspy.ExtraBytesParams("reflectance", "f4"))
    data = laspy.LasData(header)
    data.xyz = POINTS
    data.gps_time = np.arange(4.0)
    data["reflectance"] = np.array([0, 1, 2, 3], np.float32)
    data.write(tmp_path / f"a.{kind}")
    cloud = read_cloud(tmp_path / f"a.{kind}", 10, np.random.default_rng(0))
    assert cloud.remarks == ("not used: gps_time, reflectance",)


@pytest.mark.parametrize(
    "kind", [".xyz", ".csv", ".off", ".ply", ".stl", ".npy", ".npz", ".h5", ".pcd", ".las", ".laz"]
)
def test_a_file_cut_short_is_refused_or_gives_the_same(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a{kind}"
    write(path)
    whole, expected = path.read_bytes(), read_cloud(path, 10, np.random.default_rng(0)).points
    text = kind in (".xyz", ".csv")
    # Nothing in a table says how many rows there were, and two numbers say little about how others are written.
    first = whole.replace(b"\n", b"|", 2).index(b"\n") + 2 if text else 0
    for keep in np.linspace(first, len(whole) - 1, 60).astype(int).tolist():
        path.write_bytes(whole[:keep])
        try:
            found = read_cloud(path, 10, np.random.default_rng(0)).points
        except InputError:
            continue
        assert np.array_equal(found, expected)


def test_the_class_in_a_file_of_one_cloud_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", points=POINTS, label=3)
    assert read_cloud(tmp_path / "a.npz", 10, np.random.default_rng(0)).remarks == (
        "the class in the file is not used",
    )


def _laz(path: Path, point_format: int) -> tuple[bytearray, int, int]:
    """A scan in LAZ, and where LASzip's record and the points start."""
    scan(path, point_format)
    content = bytearray(path.read_bytes())
    return content, content.index(b"laszip encoded") - 2 + 54, struct.unpack_from("<I", content, 96)[0]


@pytest.mark.parametrize("point_format", [0, 3, 6])
@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("chunks", "cut short: found .* bytes of points, too few for 4294967295 chunks"),
        ("table", "cut short: found no table of chunks at byte 1099511627776"),
        ("points of a chunk", "chunk: .* would unpack to .*, expected at most"),
        ("items", r"found points of \d+ bytes, expected"),
    ],
)
def test_sizes_of_chunks_are_not_believed(tmp_path: Path, point_format: int, part: str, message: str) -> None:
    path = tmp_path / "a.laz"
    content, record, points = _laz(path, point_format)
    table = struct.unpack_from("<q", content, points)[0]
    place, form, value = {
        "chunks": (table + 4, "<I", 2**32 - 1),
        "table": (points, "<q", 2**40),
        "points of a chunk": (record + 12, "<I", 2**32 - 2),
        "items": (record + 36, "<H", 65535),
    }[part]
    struct.pack_into(form, content, place, value)
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"a.laz: .*{message}"):
        read_cloud(path, 10, np.random.default_rng(0))


@pytest.mark.parametrize("layer", range(9))
def test_sizes_of_layers_are_not_believed(tmp_path: Path, layer: int) -> None:
    path = tmp_path / "a.laz"
    content, _, points = _laz(path, 6)
    struct.pack_into("<I", content, points + 8 + 30 + 4 * (1 + layer), 2**32 - 1)
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged: found a chunk of .* bytes, too few for its layers"):
        read_cloud(path, 10, np.random.default_rng(0))


def _compressed_zeros(points: int) -> bytes:
    """A PCD file whose points are one run of zeros: 3 bytes for 264."""
    packed = bytes([11, *[0] * 12]) + bytes([0xE0, 255, 0]) * (points * 12 // 264 - 1)
    size = 12 + 264 * (points * 12 // 264 - 1)
    head = f"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS {size // 12}\nDATA binary_compressed\n"
    return head.encode() + struct.pack("<II", len(packed), size) + packed


N = 60_000
TRIANGLE = b"v 0 0 0\nv 1 0 0\nv 0 1 0\n"
XYZ = b"property float x\nproperty float y\nproperty float z\n"


# Where the time grows with the square of the length, each of these takes hours.
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("blanks.xyz", b"1 2" + b" " * 20 * N + b"3\n"),
        ("blanks.csv", b"1" + b" " * 20 * N + b", 2, 3\n"),
        ("continued.obj", TRIANGLE + b"f 1 2 3 \\\n" + b"1 \\\n" * N + b"2\n"),
        ("kinds.obj", TRIANGLE + b"f 1 2 3\n" + b"".join(b"k%d 1\n" % number for number in range(N))),
        (
            "fields.pcd",
            b"FIELDS x y z%bSIZE 4 4 4%bTYPE F F F%bPOINTS 1\nDATA ascii\n1 2 3%b"
            % tuple(word * N + b"\n" for word in (b" a", b" 4", b" F", b" 1")),
        ),
        ("zeros.pcd", _compressed_zeros(30 * N)),
        (
            "properties.ply",
            b"ply\nformat ascii 1.0\nelement vertex 1\n"
            + XYZ
            + b"".join(b"property float a%d\n" % number for number in range(N))
            + b"end_header\n"
            + b"0 " * (N + 3)
            + b"\n",
        ),
        (
            "header.csv",
            b"x,y,z," + b",".join(b"c%d" % number for number in range(N)) + b"\n" + b"1," * (N + 2) + b"1\n",
        ),
        ("corners.off", b"OFF\n3 2 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n%d " % N + b"0 " * N + b"\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_time_grows_with_the_length(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert len(read_cloud(tmp_path / name, 10, np.random.default_rng(0)))
