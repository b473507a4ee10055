"""Points in NPY, NPZ and H5 files."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from sampleformer.data.point_cloud.arrays import read_h5, read_npy, read_npz
from sampleformer.errors import InputError

RANDOM = np.random.default_rng(0)
POINTS = RANDOM.standard_normal((5, 3)).astype(np.float32)
NORMALS = (POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)).astype(np.float32)


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.hstack([POINTS, NORMALS, np.ones((5, 2))]))
    cloud = read_npy(tmp_path / "a.npy")
    assert np.array_equal(cloud.points, POINTS)
    np.testing.assert_allclose(cloud.normals, NORMALS, atol=1e-6)
    assert cloud.features.tolist() == [[1, 1]] * 5
    labelled = read_npy(tmp_path / "a.npy", ["x", "y", "z", "-", "-", "-", "label", "-"])
    assert labelled.labels.tolist() == [1] * 5
    assert labelled.normals is None


@pytest.mark.parametrize("name", ["points", "xyz"])
def test_npz(tmp_path: Path, name: str) -> None:
    parts = {"normals": 2 * NORMALS, "labels": np.arange(5, dtype=np.uint8)[:, None], "features": np.ones((5, 2))}
    np.savez_compressed(tmp_path / "a.npz", **{name: POINTS}, **parts, other=np.array(["words"], object))
    (cloud,) = read_npz(tmp_path / "a.npz").clouds
    assert np.array_equal(cloud.points, POINTS)
    np.testing.assert_allclose(cloud.normals, NORMALS, atol=1e-6)
    assert cloud.labels.tolist() == [0, 1, 2, 3, 4]
    assert cloud.features.tolist() == [[1, 1]] * 5


def test_a_single_label_is_the_class_of_the_cloud(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", points=POINTS, label=3)
    found = read_npz(tmp_path / "a.npz")
    assert found.classes.tolist() == [3]
    assert found.clouds[0].labels is None


def test_npz_of_many_clouds_in_few_bits(tmp_path: Path) -> None:
    xyz = np.stack([POINTS, 2 * POINTS]).astype(np.float16)
    normals = np.round(127 * np.stack([NORMALS, -NORMALS])).astype(np.int8)
    np.savez(tmp_path / "a.npz", xyz=xyz, normal_i8=normals, label=np.array([5, 0], np.uint8), classes=["a", "b"])
    found = read_npz(tmp_path / "a.npz")
    assert found.classes.tolist() == [5, 0]
    assert np.array_equal(np.stack([cloud.points for cloud in found.clouds]), xyz.astype(np.float32))
    np.testing.assert_allclose(found.clouds[1].normals, -NORMALS, atol=1 / 127)


def test_npz_keeps_coordinates_of_a_map(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", points=POINTS.astype(float) + 4_500_000, labels=np.arange(5))
    (cloud,) = read_npz(tmp_path / "a.npz").clouds
    np.testing.assert_allclose(cloud.points + np.array(cloud.origin) - 4_500_000, POINTS, atol=1e-6)


def save_h5(path: Path, **arrays: object) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


def test_h5_as_modelnet_and_shapenet_are_given_out(tmp_path: Path) -> None:
    data, pid = RANDOM.standard_normal((3, 5, 3)).astype(np.float32), RANDOM.integers(0, 4, (3, 5))
    normal = np.broadcast_to(NORMALS, (3, 5, 3))
    label = np.array([[2], [0], [39]], np.uint8)
    path = save_h5(tmp_path / "a.h5", data=data, label=label, normal=normal, pid=pid, faceId=pid)
    found = read_h5(path)
    assert len(found) == 3
    assert found.classes.tolist() == [2, 0, 39]
    for cloud, points, parts in zip(found.clouds, data, pid, strict=True):
        assert np.array_equal(cloud.points, points)
        assert np.array_equal(cloud.labels, parts)
        np.testing.assert_allclose(cloud.normals, NORMALS, atol=1e-6)


def test_h5_as_scanobjectnn_is_given_out(tmp_path: Path) -> None:
    path = save_h5(tmp_path / "a.h5", data=np.zeros((2, 5, 3)), label=np.array([4, 5]), mask=np.zeros((2, 5)))
    found = read_h5(path)
    assert found.classes.tolist() == [4, 5]
    assert all(cloud.labels is None for cloud in found.clouds)


def test_h5_of_labelled_points(tmp_path: Path) -> None:
    found = read_h5(save_h5(tmp_path / "a.h5", data=np.zeros((2, 5, 3)), label=np.arange(10).reshape(2, 5)))
    assert found.classes is None
    assert found.clouds[1].labels.tolist() == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(("label", "classes", "labels"), [(7, [7], None), (np.arange(5), None, [0, 1, 2, 3, 4])])
def test_h5_of_one_cloud(tmp_path: Path, label: object, classes: list | None, labels: list | None) -> None:
    found = read_h5(save_h5(tmp_path / "a.h5", data=POINTS, label=label))
    assert len(found) == 1
    assert np.array_equal(found.clouds[0].points, POINTS)
    assert (None if found.classes is None else found.classes.tolist()) == classes
    assert (None if found.clouds[0].labels is None else found.clouds[0].labels.tolist()) == labels


NAN = POINTS.copy()
NAN[3, 2] = np.nan


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3), r"found an array of shape \(3,\), expected \(points, columns\)"),
        (np.zeros((0, 3)), "found no points, expected at least one"),
        (np.zeros((5, 2)), r"found 2 columns, expected 3 \(x, y, z\) or more"),
        (np.zeros((2, 5, 3)), r"found an array of shape \(2, 5, 3\), expected \(points, columns\)"),
        (np.array([["a", "b", "c"]]), "points: found <U1, expected numbers"),
        (np.array([[None, 1, 2]]), "not a valid NPY file of numbers"),
        (NAN, "points: row 4 is .*nan.*, expected finite numbers"),
    ],
)
def test_bad_npy_files(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "bad.npy", array)
    with pytest.raises(InputError, match=message) as caught:
        read_npy(tmp_path / "bad.npy")
    assert str(caught.value).startswith(f"{tmp_path / 'bad.npy'}: ")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"cloud": POINTS}, "found the arrays cloud, expected one of points, xyz, data, pos"),
        ({"points": POINTS, "normals": NORMALS[:4]}, "normals: found 4 rows, expected 5, one a point"),
        ({"points": POINTS, "normals": NORMALS[:, :2]}, r"normals: found shape \(5, 2\), expected \(points, 3\)"),
        ({"points": POINTS, "labels": np.full(5, 0.5)}, "labels: found 0.5, expected whole numbers"),
        ({"points": POINTS, "labels": np.zeros((5, 2), int)}, r"labels: found int64 of shape \(5, 2\), expected"),
        ({"points": np.array([[None, 1, 2]])}, "array 'points': not a valid NPY file of numbers"),
        ({"points": NAN}, "points: row 4 is .*nan.*, expected finite numbers"),
    ],
)
def test_bad_npz_files(tmp_path: Path, arrays: dict, message: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError, match=message) as caught:
        read_npz(tmp_path / "bad.npz")
    assert str(caught.value).startswith(f"{tmp_path / 'bad.npz'}: ")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"cloud": POINTS}, "found the arrays cloud, expected one of points, xyz, data, pos"),
        (
            {"data": np.zeros(4)},
            r"points: found shape \(4,\), expected \(points, columns\) or \(clouds, points, columns\)",
        ),
        (
            {"data": np.zeros((2, 5, 3)), "label": np.zeros(3, int)},
            "label: found 3 clouds, expected 2, as there",
        ),
        ({"data": np.zeros((2, 5, 3)), "label": np.zeros(2)}, "label: found float64, expected whole numbers or texts"),
        ({"data": np.zeros((2, 5, 3)), "pid": np.zeros((2, 4), int)}, "cloud 1 of 2: labels: found 4 rows, expected 5"),
        ({"data": np.stack([POINTS, NAN])}, "cloud 2 of 2: points: row 4 is .*nan.*, expected finite numbers"),
    ],
)
def test_bad_h5_files(tmp_path: Path, arrays: dict, message: str) -> None:
    path = save_h5(tmp_path / "bad.h5", **arrays)
    with pytest.raises(InputError, match=message) as caught:
        read_h5(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("read", [read_npy, read_npz, read_h5], ids=["npy", "npz", "h5"])
@pytest.mark.parametrize(
    ("content", "message"), [(None, "no such file"), (b"", "the file is empty"), (b"words", "not a valid")]
)
def test_files_of_another_kind(tmp_path: Path, read, content: bytes | None, message: str) -> None:
    path = tmp_path / f"bad.{read.__name__.removeprefix('read_')}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(("read", "kind"), [(read_npy, "npy"), (read_npz, "npz"), (read_h5, "h5")])
@pytest.mark.parametrize("keep", [8, 100, 300, -1])
def test_files_cut_short(tmp_path: Path, read, kind: str, keep: int) -> None:
    path = tmp_path / f"a.{kind}"
    many = RANDOM.standard_normal((50, 3))
    {"npy": np.save, "npz": lambda path, x: np.savez(path, points=x), "h5": lambda path, x: save_h5(path, data=x)}[
        kind
    ](path, many)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="not a valid"):
        read(path)


def test_npy_and_npz_are_not_taken_for_each_other(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", POINTS)
    np.savez(tmp_path / "b.npz", points=POINTS)
    with pytest.raises(InputError, match="found a single array, expected an NPZ file with named arrays"):
        read_npz(tmp_path / "a.npy")
    with pytest.raises(InputError, match="found a file of several arrays, expected an NPY file with one"):
        read_npy(tmp_path / "b.npz")


def test_what_fails_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_h5(tmp_path / "a.h5", data=POINTS)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r'pip install "sampleformer\[points\]"'):
        read_h5(path)


MANY = RANDOM.standard_normal((3, 20, 3))


@pytest.mark.parametrize("kind", ["npz", "h5"])
@pytest.mark.parametrize("columns", [3, 6])
def test_channels_before_points_are_moved_behind_them(tmp_path: Path, kind: str, columns: int) -> None:
    points = RANDOM.standard_normal((4, 20, columns))
    normals = np.broadcast_to([0, 0, 1], (4, 20, 3))
    arrays = {
        "points": np.swapaxes(points, 1, 2),
        "normals": np.swapaxes(normals, 1, 2),
        "labels": np.zeros((4, 20), int),
    }
    path = tmp_path / f"a.{kind}"
    np.savez(path, **arrays) if kind == "npz" else save_h5(path, **arrays)
    found = (read_npz if kind == "npz" else read_h5)(path)
    for cloud, expected in zip(found.clouds, points, strict=True):
        np.testing.assert_allclose(cloud.points, expected[:, :3], rtol=1e-6)
        assert cloud.normals.tolist() == [[0, 0, 1]] * 20
        assert cloud.remarks == ("channels come before points and were moved behind them",)


def test_one_cloud_with_channels_before_points(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", MANY[0].T)
    np.testing.assert_allclose(read_npy(tmp_path / "a.npy").points, MANY[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"points": MANY[:, :8].swapaxes(1, 2)},
            r"shape \(3, 3, 8\), clouds of three points with 8 columns",
        ),
        (
            {"points": MANY.swapaxes(0, 1), "label": np.arange(3)},
            r"label: found 3 clouds, as many as there are points",
        ),
        ({"points": MANY, "label": np.eye(40, dtype=int)[:3]}, "labels: found 40 rows, expected 20, one a point"),
        ({"points": MANY, "label": np.zeros(3)}, "label: found float64, expected whole numbers or texts"),
        ({"points": MANY, "label": np.array([2**63, 0, 0], np.uint64)}, "label: found 9223372036854775808, expected"),
        ({"points": MANY, "labels": np.full((3, 20), 2**63, np.uint64)}, "labels: found 9223372036854775808, expected"),
        ({"points": MANY, "labels": np.full((3, 20), 1e300)}, r"labels: found 1e\+300, expected whole numbers"),
        ({"points": MANY, "labels": np.zeros((3, 20, 2), int)}, r"labels: found int64 of shape \(20, 2\), expected"),
        ({"points": MANY * 1e39}, r"points: row 1, column 1 is .*e\+3., expected at most 3.4.*single precision"),
        ({"points": MANY, "features": MANY * 1e39}, r"features: row 1, column 1 is .*, expected at most 3.4"),
        ({"points": np.full((3, 5, 3), 2**60)}, "points: found a whole number beyond 9007199254740992"),
    ],
)
def test_arrays_of_another_meaning_are_refused(tmp_path: Path, arrays: dict, message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_colours_and_intensity_are_features_and_other_arrays_are_named(tmp_path: Path, kind: str) -> None:
    arrays = {
        "points": np.concatenate([MANY, np.full((3, 20, 1), 7.0)], axis=2),
        "colors": np.full((3, 20, 3), 51, np.uint8),
        "intensity": np.full((3, 20), 0.5),
        "faceId": np.zeros((3, 20), int),
        "seg": np.zeros((3, 20), int),
        "pid": np.ones((3, 20), int),
    }
    path = tmp_path / f"a.{kind}"
    np.savez(path, **arrays) if kind == "npz" else save_h5(path, **arrays)
    for cloud in (read_npz if kind == "npz" else read_h5)(path).clouds:
        np.testing.assert_allclose(cloud.features, [[7, 0.2, 0.2, 0.2, 0.5]] * 20, rtol=1e-6)
        assert cloud.labels.tolist() == [1] * 20
        assert cloud.remarks == ("not used: array faceId, array seg",)


def test_texts_are_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", points=MANY, label=["chair", "lamp", "chair"])
    assert read_npz(tmp_path / "a.npz").classes.tolist() == ["chair", "lamp", "chair"]
    path = save_h5(tmp_path / "a.h5", data=MANY, label=[b"chair", b"lamp", b"chair"])
    assert read_h5(path).classes.tolist() == ["chair", "lamp", "chair"]


def test_an_array_behind_the_array_of_an_npy_file(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        np.save(file, POINTS)
        np.save(file, POINTS)
    with pytest.raises(InputError, match="found 248 bytes of values, expected 60"):
        read_npy(tmp_path / "a.npy")


@pytest.mark.parametrize("kind", ["npy", "npz", "h5"])
def test_every_cut_is_noticed(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "h5":
        save_h5(path, data=POINTS)
    else:
        (np.save if kind == "npy" else lambda path, x: np.savez(path, points=x))(path, POINTS)
    whole, read = path.read_bytes(), {"npy": read_npy, "npz": read_npz, "h5": read_h5}[kind]
    for keep in range(0, len(whole), 1 if kind != "h5" else 7):
        path.write_bytes(whole[:keep])
        with pytest.raises(InputError, match=f"a.{kind}: "):
            read(path)


@pytest.mark.parametrize("way", ["soft", "external", "virtual", "storage"])
def test_arrays_that_lie_elsewhere_are_not_opened(tmp_path: Path, way: str) -> None:
    save_h5(tmp_path / "other.h5", data=POINTS)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        if way == "soft":
            file["inner"] = POINTS
            file["data"] = h5py.SoftLink("/inner")
        elif way == "external":
            file["data"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/data")
        elif way == "virtual":
            layout = h5py.VirtualLayout((5, 3), "f4")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "data", (5, 3))
            file.create_virtual_dataset("data", layout)
        else:
            file.create_dataset("data", (5, 3), "f4", external=[(str(tmp_path / "other.h5"), 0, 60)])
    with pytest.raises(InputError, match="array 'data' is a link or lies in another file, expected it in this file"):
        read_h5(path)


def test_arrays_that_claim_more_than_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (10**9, 3), "f8", chunks=(10**6, 3), compression="gzip")
    with pytest.raises(InputError, match="would unpack to 24,000,000,000, expected at most"):
        read_h5(path)


@pytest.mark.parametrize("chunks", [None, (2,)])
def test_texts_that_claim_to_be_longer_than_the_file(tmp_path: Path, chunks: tuple[int] | None) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["data"] = MANY
        label = file.create_dataset("label", (3,), h5py.string_dtype(), chunks=chunks)
        label[:] = ["chair", "lamp", "chair"]
        file.flush()
        start = label.id.get_chunk_info(0).byte_offset if chunks else label.id.get_offset()
    assert read_h5(path).classes.tolist() == ["chair", "lamp", "chair"]
    content = bytearray(path.read_bytes())
    assert content[start : start + 4] == b"\x05\0\0\0"
    content[start : start + 4] = b"\xff\xff\xff\xbf"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"would unpack to \d+,\d+,\d+,\d+, expected at most"):
        read_h5(path)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"dtype": h5py.string_dtype(), "compression": "gzip"}, "texts of variable length that are packed"),
        ({"dtype": h5py.vlen_dtype(np.float64)}, "found float64 of variable length"),
    ],
)
def test_values_of_variable_length_whose_size_is_not_known(tmp_path: Path, made: dict, message: str) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["data"] = MANY
        file.create_dataset("label", (3,), **made)
    with pytest.raises(InputError, match=f"array 'label': not an array of numbers or texts .*{message}"):
        read_h5(path)
