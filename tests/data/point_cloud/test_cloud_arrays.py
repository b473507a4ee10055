"""Tests of files that hold many clouds."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from sampleformer.data.encoding import Encoding
from sampleformer.data.point_cloud import cloud_parsing
from sampleformer.data.point_cloud.array_rows import holds_cloud_arrays
from sampleformer.data.point_cloud.cloud_arrays import CloudArrays
from sampleformer.data.point_cloud.image_clouds import image_clouds
from sampleformer.errors import InputError
from tests.data.point_cloud.small import cloud


def _shapes(path: Path, **changes: np.ndarray) -> str:
    points = np.stack([cloud(number, 30) for number in range(24)])
    normals = points / np.linalg.norm(points, axis=2, keepdims=True)
    held = {
        "xyz": points.astype(np.float16),
        "normal_i8": np.round(127 * normals).astype(np.int8),
        "label": np.arange(24, dtype=np.int64) % 3,
        "split": np.repeat([0, 1, 2], [16, 3, 5]),
        "classes": np.array(["ant", "bee", "cow"]),
    }
    np.savez(path, **(held | changes))  # type: ignore[arg-type]
    return str(path)


def test_shapes_with_their_split_and_the_names_of_their_classes(tmp_path: Path) -> None:
    splits = CloudArrays(_shapes(tmp_path / "shapes.npz"), points=20).load()
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (16, 3, 5)
    assert splits.encoding.task.labels == ["ant", "bee", "cow"]
    assert splits.encoding.model_inputs == {"features": 0, "normals": True, "identifiers": 0}
    sample = splits.train[0]
    assert sample.normals is not None
    assert np.allclose(np.linalg.norm(sample.normals, axis=1), 1, atol=1e-6)
    splits.encoding.save(tmp_path / "encoding.json")
    again = Encoding.load(tmp_path / "encoding.json").read(tmp_path / "shapes.npz", targets=True)
    assert len(again) == 24
    assert np.array_equal(again[0].coordinates, sample.coordinates)


def test_wrong_splits_and_classes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"split: found 7, expected 0, 1 or 2"):
        CloudArrays(_shapes(tmp_path / "a.npz", split=np.full(24, 7))).load()
    with pytest.raises(InputError, match=r"split: found 3 values, expected 24"):
        CloudArrays(_shapes(tmp_path / "b.npz", split=np.zeros(3))).load()
    with pytest.raises(InputError, match=r"label: cloud 1 has the class 3, expected 0 to 2"):
        CloudArrays(_shapes(tmp_path / "c.npz", label=np.full(24, 3))).load()
    with pytest.raises(InputError, match=r"no such file"):
        CloudArrays(str(tmp_path / "d.npz")).load()


def test_several_files_in_the_layout_of_modelnet(tmp_path: Path) -> None:
    for part in range(2):
        with h5py.File(tmp_path / f"ply_data_train{part}.h5", "w") as file:
            file["data"] = np.stack([cloud(part * 12 + number, 25) for number in range(12)]).astype(np.float32)
            file["label"] = (np.arange(12) % 2)[:, None].astype(np.uint8)
    splits = CloudArrays(str(tmp_path), points=20, classes=["up", "down"]).load()
    assert sorted(splits.encoding.task.labels) == ["down", "up"]
    assert len(splits.train) + len(splits.valid) + len(splits.test) == 24
    assert splits.train.ids[0].startswith("ply_data_train0.h5/")


def test_labels_of_points(tmp_path: Path) -> None:
    points = np.stack([cloud(number, 30) for number in range(12)])
    np.savez(tmp_path / "parts.npz", points=points, labels=(points[..., 0] > 0).astype(np.int64))
    splits = CloudArrays(str(tmp_path / "parts.npz"), "labels", ["left", "right"], points=12).load()
    assert (splits.encoding.task.level, splits.encoding.task.labels) == ("token", ["left", "right"])
    sample = splits.test[0]
    assert sample.target is not None
    assert len(sample.target) == len(sample)


@pytest.mark.parametrize("lift", [0.0, 5.0])
def test_ink_becomes_points(tmp_path: Path, lift: float) -> None:
    random = np.random.default_rng(0)
    images = random.integers(1, 256, (30, 7, 7)) * (random.random((30, 7, 7)) > 0.7)
    np.savez(tmp_path / "i.npz", image=images.astype(np.uint8), label=np.arange(30) % 2, is_test=np.arange(30) >= 25)
    splits = CloudArrays(str(tmp_path / "i.npz"), lift=lift, normalise="none").load()
    assert len(splits.test) == 5
    assert splits.encoding.model_inputs["features"] == 1
    ink = images[int(splits.train.ids[0])]
    sample = splits.train[0]
    assert sample.coordinates is not None
    assert len(sample) == (ink > 0).sum()
    for x, y, z in sample.coordinates.tolist():
        assert z == pytest.approx(lift * ink[6 - int(y), int(x)] / 255)


def test_an_image_without_ink_is_one_point() -> None:
    (empty,) = image_clouds(np.zeros((1, 4, 4), np.uint8))
    assert empty.points.tolist() == [[2, 1, 0]]
    assert empty.features is not None
    assert empty.features.tolist() == [[0]]
    with pytest.raises(ValueError, match="expected whole numbers"):
        image_clouds(np.zeros((1, 4, 4)))


def test_what_holds_arrays_of_clouds(tmp_path: Path) -> None:
    assert holds_cloud_arrays(_shapes(tmp_path / "shapes.npz"))
    np.savez(tmp_path / "graphs.npz", nodes=np.zeros(3))
    assert not holds_cloud_arrays(str(tmp_path / "graphs.npz"))
    assert not holds_cloud_arrays(str(tmp_path / "none.npz"))


def _images(path: Path, count: int = 30, **changes: np.ndarray) -> str:
    random = np.random.default_rng(0)
    ink = random.integers(1, 256, (count, 7, 7)) * (random.random((count, 7, 7)) > 0.7)
    held = {"image": ink.astype(np.uint8), "label": np.arange(count) % 2}
    np.savez(path, **(held | changes))  # type: ignore[arg-type]
    return str(path)


def test_lift_and_names_of_classes_hold_for_other_files_too(tmp_path: Path) -> None:
    path, more = _images(tmp_path / "i.npz"), _images(tmp_path / "more.npz")
    splits = CloudArrays(path, classes=["even", "odd"], lift=5.0, normalise="none", valid=more, test=more).load()
    splits.encoding.save(tmp_path / "encoding.json")
    again = Encoding.load(tmp_path / "encoding.json").read(more, targets=True)
    for part in (splits.test, again):
        assert part.targets is not None
        assert [splits.encoding.task.labels[each] for each in part.targets] == ["even", "odd"] * 15
        assert part[0].coordinates is not None
        assert part[0].coordinates[:, 2].max() > 1


def test_clouds_in_the_cache_are_those_of_the_same_lift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLEFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cloud_parsing, "_WORTH_KEEPING", 10)
    path = _images(tmp_path / "i.npz")
    for lift in (0.0, 5.0):
        sample = CloudArrays(path, lift=lift, normalise="none").load().train[0]
        assert sample.coordinates is not None
        assert (sample.coordinates[:, 2].max() > 0) == (lift > 0)
    (kept, _) = (tmp_path / "cache" / "clouds").iterdir()
    for place in (tmp_path / "cache" / "clouds").iterdir():
        place.write_bytes(place.read_bytes()[:100])
    with pytest.raises(InputError, match=rf"{kept.parent}/.*: a damaged file of the cache .*; delete it"):
        CloudArrays(path, lift=5.0, normalise="none").load()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"label": np.arange(30) / 2}, r"label: found float64, expected whole numbers"),
        ({"label": np.array([True] * 30)}, r"label: found bool, expected whole numbers or texts"),
        ({"label": np.zeros((30, 2), int)}, r"label: found 60, expected 30, one for each image"),
        ({"label": np.int64(3)}, r"label: found 1, expected 30, one for each image"),
        ({"image": np.full((30, 7, 7), 256)}, r"image: found values from 256 to 256, expected 0 to 255"),
        ({"image": np.full((30, 7, 7), -1)}, r"image: found values from -1 to -1, expected 0 to 255"),
        ({"image": np.zeros((30, 0, 7), int)}, r"image: found shape \(30, 0, 7\), expected at least one image"),
        ({"split": np.array(["train"] * 29 + ["tset"])}, r"split: found 'tset', expected train, valid, test"),
    ],
)
def test_wrong_arrays_beside_images(tmp_path: Path, changes: dict[str, np.ndarray], problem: str) -> None:
    with pytest.raises(InputError, match=rf"i.npz: {problem}"):
        CloudArrays(_images(tmp_path / "i.npz", **changes)).load()


def test_no_clouds(tmp_path: Path) -> None:
    np.savez(tmp_path / "none.npz", points=np.zeros((0, 5, 3)))
    with pytest.raises(InputError, match=r"none.npz: points: found shape \(0, 5, 3\), expected at least one cloud"):
        CloudArrays(str(tmp_path / "none.npz")).load()


def test_texts_in_h5_files(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["data"] = np.stack([cloud(number, 25) for number in range(24)])
        file["label"] = np.arange(24) % 2
        file["classes"] = ["cup", "mug"]
        file["split"] = ["train"] * 16 + ["valid"] * 4 + ["test"] * 4
    splits = CloudArrays(str(tmp_path / "s.h5"), points=20).load()
    assert splits.encoding.task.labels == ["cup", "mug"]
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (16, 4, 4)


def test_files_of_the_same_name_name_their_clouds_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        _shapes(tmp_path / folder / "shapes.npz")
    splits = CloudArrays([str(tmp_path / "a"), str(tmp_path / "b")], points=20).load()
    assert len({*splits.train.ids, *splits.valid.ids, *splits.test.ids}) == 48
