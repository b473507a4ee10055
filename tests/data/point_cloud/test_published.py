"""Tests of the published sets, on tiny files in the same layouts."""

import json
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from sampleformer.data import SOURCES
from sampleformer.data.download import Download
from sampleformer.data.point_cloud.published import modelnet
from sampleformer.data.point_cloud.published.modelnet import ModelNet10, ModelNet40
from sampleformer.data.point_cloud.published.s3dis import S3dis
from sampleformer.data.point_cloud.published.s3dis_rooms import CLASSES, read_room
from sampleformer.data.point_cloud.published.scanobjectnn import ScanObjectNN
from sampleformer.data.point_cloud.published.shapenet_part import PARTS, ShapeNetPart
from sampleformer.data.point_cloud.published.unpacking import unpacked
from sampleformer.errors import InputError
from sampleformer.tasks import PartSegmentation
from tests.data.point_cloud.small import cloud, write_meshes, write_points, write_shapenet

SMALL = {"points": 16, "stored": 32}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLEFORMER_CACHE", str(tmp_path / "cache"))


def _zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder.parent))
    return path


@pytest.mark.parametrize("kind", ["archive", "folder", "above"])
def test_meshes_of_modelnet(tmp_path: Path, kind: str) -> None:
    folder = write_meshes(tmp_path / "sets" / "ModelNet10")
    path = {"archive": _zipped(folder), "folder": folder, "above": folder.parent}[kind]
    splits = ModelNet10(str(path), **SMALL).load()
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (18, 2, 4)
    assert splits.encoding.task.labels == ["box", "sheet"]
    assert all("/test/" in name for name in splits.test.ids)


def test_resampled_modelnet(tmp_path: Path) -> None:
    for split, count in (("train", 20), ("test", 4)):
        names = [f"{name}_{number:04}" for name in ("night_stand", "sofa") for number in range(count)]
        (tmp_path / f"modelnet40_{split}.txt").write_text("\n".join(names) + "\n")
        for number, name in enumerate(names):
            points = cloud(number, 30)
            values = np.c_[points, points / np.linalg.norm(points, axis=1, keepdims=True)]
            path = tmp_path / name.rpartition("_")[0] / f"{name}.txt"
            path.parent.mkdir(exist_ok=True)
            np.savetxt(path, values, delimiter=",", fmt="%.6f")
    splits = ModelNet40(str(tmp_path), **SMALL).load()
    assert splits.encoding.task.labels == ["night_stand", "sofa"]
    assert splits.encoding.model_inputs["normals"]
    assert len(splits.test) == 8
    turned = ModelNet40(str(tmp_path), **SMALL, evaluation_rotation="z").load().test[0].coordinates
    before = splits.test[0].coordinates
    assert before is not None
    assert np.allclose(turned[:, 1], before[:, 1], atol=1e-6)
    assert not np.allclose(turned[:, 2], before[:, 2], atol=1e-2)


def test_modelnet_in_h5(tmp_path: Path) -> None:
    (tmp_path / "shape_names.txt").write_text("airplane\nbathtub\n")
    for name, count in (("train0", 12), ("train1", 12), ("test0", 6)):
        with h5py.File(tmp_path / f"ply_data_{name}.h5", "w") as file:
            file["data"] = np.stack([cloud(number, 30) for number in range(count)]).astype(np.float32)
            file["label"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
    splits = ModelNet40(str(tmp_path), **SMALL).load()
    assert splits.encoding.task.labels == ["airplane", "bathtub"]
    assert len(splits.test) == 6
    assert {name.split("/")[0] for name in splits.test.ids} == {"ply_data_test0.h5"}


def test_parts_of_shapenet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert sum(PARTS.values()) == 50
    caplog.set_level("INFO")
    splits = ShapeNetPart(str(_zipped(write_shapenet(tmp_path / "shapes"))), points=16).load()
    assert any("parts (as published), classes of points: " in line for line in caplog.messages)
    assert (len(splits.train), len(set(splits.valid.ids)), len(set(splits.test.ids))) == (4, 2, 2)
    target = splits.encoding.task
    assert isinstance(target, PartSegmentation)
    assert target.labels[4:8] == ["Bag 0", "Bag 1", "Cap 0", "Cap 1"]
    assert target.parts(1).tolist() == [4, 5]
    assert splits.encoding.model_inputs == {"features": 0, "normals": True, "identifiers": 0}
    sample = splits.train[0]
    assert sample.target is not None
    assert set(sample.target.tolist()) == {4, 5}


def test_scanobjectnn(tmp_path: Path) -> None:
    (tmp_path / "h5_files" / "main_split").mkdir(parents=True)
    for part, count in (("training", 30), ("test", 5)):
        name = f"{part}_objectdataset_augmentedrot_scale75.h5"
        with h5py.File(tmp_path / "h5_files" / "main_split" / name, "w") as file:
            file["data"] = np.stack([cloud(number, 30) for number in range(count)]).astype(np.float32)
            file["label"] = np.arange(count) % 3
            file["mask"] = np.zeros((count, 30))
    splits = ScanObjectNN(str(tmp_path), **SMALL).load()
    assert splits.encoding.task.labels == ["bag", "bin", "box"]
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (27, 3, 5)
    with pytest.raises(InputError, match=r"expected main_split_nobg/training_objectdataset.h5"):
        ScanObjectNN(str(tmp_path), variant="objects").load()
    with pytest.raises(InputError, match=r"variant: found 'hard'"):
        ScanObjectNN(variant="hard")


def test_blocks_of_s3dis(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    random = np.random.default_rng(0)
    rooms = [f"Area_{area}_office_{room}" for area in (1, 5) for room in range(12) for _ in range(2)]
    with h5py.File(tmp_path / "ply_data_all_0.h5", "w") as file:
        file["data"] = random.random((48, 40, 9)).astype(np.float32)
        file["label"] = random.integers(0, 13, (48, 40)).astype(np.uint8)
    (tmp_path / "all_files.txt").write_text("indoor3d_sem_seg_hdf5_data/ply_data_all_0.h5\n")
    (tmp_path / "room_filelist.txt").write_text("\n".join(rooms) + "\n")
    splits = S3dis(str(tmp_path), points=16).load()
    assert any("segmentation (as published), classes of points: " in line for line in caplog.messages)
    assert splits.encoding.task.labels == list(CLASSES)
    assert splits.encoding.model_inputs == {"features": 6, "normals": False, "identifiers": 0}
    parts = {
        name: {each.rpartition("/")[0] for each in getattr(splits, name).ids} for name in ("train", "valid", "test")
    }
    assert all(room.startswith("Area_5") for room in parts["test"])
    assert len(parts["test"]) == 12
    assert not parts["train"] & parts["valid"]
    assert len(parts["train"]) + len(parts["valid"]) == 12
    (tmp_path / "room_filelist.txt").write_text("\n".join(rooms[:-1]) + "\n")
    with pytest.raises(InputError, match=r"room_filelist.txt: found 47 rooms, expected 48"):
        S3dis(str(tmp_path)).load()
    (tmp_path / "room_filelist.txt").unlink()
    with pytest.raises(InputError, match=r"room_filelist.txt: cannot be read .*, expected a list of names"):
        S3dis(str(tmp_path)).load()
    with pytest.raises(InputError, match=r"test_area: found 7, expected 1 to 6"):
        S3dis(test_area=7)


def test_original_rooms_of_s3dis(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for area in (1, 2, 5):
        for name, low in (("floor_1", 0.0), ("stairs_1", 1.0)):
            points = random.random((150, 3)) * [2, 1, 1] + [0, 0, low]
            values = np.c_[points, random.integers(0, 256, (150, 3))]
            write_points(tmp_path / f"Area_{area}" / "hall_1" / "Annotations" / f"{name}.txt", values)
    broken = tmp_path / "Area_5" / "hall_1" / "Annotations" / "floor_1.txt"
    broken.write_bytes(broken.read_bytes().replace(b" ", b"\x10", 1))
    splits = S3dis(str(tmp_path), points=64).load()
    assert splits.encoding.model_inputs["features"] == 6
    assert set(splits.test.ids) == {"Area_5_hall_1"}
    room = read_room(broken.parent)
    assert len(room) == 300
    assert room.labels is not None
    assert room.features is not None
    assert np.unique(room.labels).tolist() == [CLASSES.index("floor"), CLASSES.index("clutter")]
    assert room.features.max() <= 1
    seen = {tuple(each) for row in range(len(splits.test)) for each in splits.test[row].places[:, None].tolist()}
    assert len(seen) == 300
    broken.write_text("1 2 3 4 5\n")
    with pytest.raises(InputError, match=r"floor_1.txt: line 1: found 5 columns, expected 6"):
        S3dis(str(tmp_path)).load()


@pytest.mark.parametrize("column", range(6))
def test_numbers_of_a_room_beyond_single_precision(tmp_path: Path, column: int) -> None:
    folder = tmp_path / "Annotations"
    folder.mkdir()
    fields = ["1", "2", "3", "4", "5", "6"]
    fields[column] = "-1e155"
    (folder / "floor_1.txt").write_text("1 2 3 4 5 6\n\n" + " ".join(fields) + "\n")
    with pytest.raises(
        InputError, match=rf"floor_1.txt: line 3: found -1e\+155 in column {column + 1}, expected at most"
    ):
        read_room(folder)


def test_programs_that_unpack_one_archive_at_once_share_what_the_first_made(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(300):
            archive.writestr(f"top/{number}.txt", str(number) * 50)
    barrier = threading.Barrier(4)

    def unpack() -> Path:
        barrier.wait()
        return unpacked(path)

    with ThreadPoolExecutor(4) as pool:
        (place,) = {future.result() for future in [pool.submit(unpack) for _ in range(4)]}
    assert len(list((place / "top").iterdir())) == 300
    assert list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize("name", ["modelnet10", "modelnet40", "shapenetpart", "scanobjectnn", "s3dis"])
def test_other_folders_and_broken_archives(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: (found n|not found)"):
        SOURCES[name](path=str(tmp_path / "empty")).load()  # type: ignore[call-arg]
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(InputError, match=r"broken.zip: not a valid .zip archive"):
        SOURCES[name](path=str(tmp_path / "broken.zip")).load()  # type: ignore[call-arg]
    assert not list((tmp_path / "cache").glob("unpacked/*"))
    with pytest.raises(InputError, match=r"no such file or folder"):
        SOURCES[name](path=str(tmp_path / "none")).load()  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["modelnet10", "modelnet40", "shapenetpart", "scanobjectnn", "s3dis"])
def test_without_network_the_message_says_what_to_fetch(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def unreachable(self: Download, *arguments: object) -> Path:
        raise OSError("no route to host")

    monkeypatch.setattr(Download, "_fetch_from", unreachable)
    with pytest.raises(InputError, match=r"cannot download it; fetch it by hand from http.*'path'"):
        SOURCES[name]().load()


def test_addresses() -> None:
    archives = [ModelNet10.archive, ModelNet40.archive, ShapeNetPart.archive, ScanObjectNN.archive, S3dis.archive]
    for archive in archives:
        assert archive.name.endswith(".zip")
        assert all(address.startswith("http") and address.endswith(".zip") for address in archive.addresses)
    assert modelnet.ModelNet40.archive.name == "ModelNet40.zip"


def test_wrong_lists_of_shapenet(tmp_path: Path) -> None:
    folder = write_shapenet(tmp_path / "shapes")
    listed = folder / "train_test_split" / "shuffled_train_file_list.json"
    listed.write_text(json.dumps(["shape_data/01234567/x"]))
    with pytest.raises(InputError, match=r"01234567/x.txt: its folder is not in .*synsetoffset2category.txt"):
        ShapeNetPart(str(folder)).load()
    listed.write_text("{")
    with pytest.raises(InputError, match=r"shuffled_train_file_list.json: not valid JSON"):
        ShapeNetPart(str(folder)).load()
    (folder / "synsetoffset2category.txt").write_text("Cup 012345\n")
    with pytest.raises(InputError, match=r"found 'Cup 012345', expected a category"):
        ShapeNetPart(str(folder)).load()
