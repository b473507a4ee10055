"""Tests of folders of clouds."""

from pathlib import Path

import numpy as np
import pytest

from sampleformer.data.point_cloud import cloud_parsing
from sampleformer.data.point_cloud.cloud_files import read_cloud_rows
from sampleformer.data.point_cloud.cloud_folder import CloudFolder
from sampleformer.data.point_cloud.cloud_folders import FOLDER, holds_clouds, read_folder
from sampleformer.data.point_cloud.view import CloudView
from sampleformer.errors import InputError
from tests.data.point_cloud.small import BOX, TRIANGLE, cloud, write_meshes, write_parts, write_points, write_shapes


def test_classes_are_folders(tmp_path: Path) -> None:
    splits = CloudFolder(str(write_shapes(tmp_path)), points=20).load()
    assert splits.encoding.task.labels == ["ball", "disc"]
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (16, 2, 2)
    for part in (splits.train, splits.valid, splits.test):
        assert [splits.encoding.task.labels[each] for each in part.targets] == [name.split("/")[0] for name in part.ids]


@pytest.mark.parametrize("outside", [False, True])
def test_split_folders_before_or_after_those_of_the_classes(tmp_path: Path, outside: bool) -> None:
    for split, count in (("train", 6), ("val", 2), ("test", 3)):
        for name in "ab":
            for number in range(count):
                way = f"{split}/{name}" if outside else f"{name}/{split}"
                write_points(tmp_path / way / f"{number}.xyz", cloud(number))
    splits = CloudFolder(str(tmp_path), points=20).load()
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (12, 4, 6)
    assert splits.encoding.task.labels == ["a", "b"]
    assert all("test" in name for name in splits.test.ids)


def test_layout_and_broken_headers_of_modelnet(tmp_path: Path) -> None:
    splits = CloudFolder(str(write_meshes(tmp_path)), points=32, stored=64).load()
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (18, 2, 4)
    assert splits.encoding.model_inputs == {"features": 0, "normals": True, "identifiers": 0}
    assert set(splits.train.lengths.tolist()) == {64}


def test_points_of_a_mesh_depend_on_the_mesh_and_not_on_its_name(tmp_path: Path) -> None:
    write_meshes(tmp_path)
    splits = CloudFolder(str(tmp_path), points=32, stored=64).load()
    boxes = [splits.train[row] for row in range(18) if splits.train.ids[row].startswith("sheet")]
    assert all(np.array_equal(box.coordinates, boxes[0].coordinates) for box in boxes)


def test_normals_are_seen_if_all_files_have_them_or_never(tmp_path: Path) -> None:
    write_meshes(tmp_path)
    assert not CloudFolder(str(tmp_path), normals=False).load().encoding.model_inputs["normals"]
    write_points(tmp_path / "box" / "train" / "more.xyz", cloud(0))
    assert not CloudFolder(str(tmp_path)).load().encoding.model_inputs["normals"]
    with pytest.raises(InputError, match=r"more.xyz: found no normals, expected them as in training"):
        CloudFolder(str(tmp_path), normals=True).load()


def test_clouds_that_differ_in_their_features(tmp_path: Path) -> None:
    write_shapes(tmp_path)
    write_points(tmp_path / "ball" / "odd.xyz", np.c_[cloud(0), cloud(1)[:, :1]])
    with pytest.raises(
        InputError, match=r"ball/odd.xyz: found 1 feature a point beside coordinates and normals, expected 0"
    ):
        CloudFolder(str(tmp_path)).load()
    splits = CloudFolder(str(tmp_path), on_error="skip").load()
    assert splits.skipped == 1
    assert len(splits.train) + len(splits.valid) + len(splits.test) == 20


def test_wrong_files_are_skipped_and_counted(tmp_path: Path) -> None:
    write_shapes(tmp_path)
    (tmp_path / "ball" / "x.xyz").write_text("0 0 nan\n")
    (tmp_path / "ball" / "y.off").write_text("OFF\n0 0 0\n")
    with pytest.raises(InputError, match=r"ball/x.xyz: line 1: found 'nan' in column 3") as error:
        CloudFolder(str(tmp_path)).load()
    assert str(error.value).count("x.xyz") == 1
    assert CloudFolder(str(tmp_path), on_error="skip").load().skipped == 2


def test_folders_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such folder"):
        read_folder(tmp_path / "none", classes=True)
    with pytest.raises(InputError, match=r"found no file of points"):
        read_folder(tmp_path, classes=True)
    write_points(tmp_path / "a" / "1.xyz", cloud(0))
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match=r"b: found no file of points .* in a class folder"):
        read_folder(tmp_path, classes=True)
    (tmp_path / "b").rmdir()
    write_points(tmp_path / "loose.xyz", cloud(0))
    with pytest.raises(InputError, match=r"loose.xyz: lies in no class folder"):
        read_folder(tmp_path, classes=True)
    assert read_folder(tmp_path, classes=False).columns["folder"] == ["a", ""]


def test_a_class_of_the_test_that_training_never_saw(tmp_path: Path) -> None:
    write_meshes(tmp_path)
    (tmp_path / "cone" / "test").mkdir(parents=True)
    (tmp_path / "cone" / "test" / "1.off").write_text(TRIANGLE)
    with pytest.raises(InputError, match=r"cone/test/1.off.*'cone' does not occur in the training part"):
        CloudFolder(str(tmp_path)).load()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bad.off", BOX[:60], r"ball/bad.off: found \d+ lines after the counts"),
        ("bad.xyz", "1 2\n", r"ball/bad.xyz: line 1: found 2 columns, expected 3 \(x, y, z\) or more"),
        ("bad.xyz", "", r"ball/bad.xyz: the file is empty"),
        ("bad.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n2 0 0\n3 0 1 2\n", r"ball/bad.off: the mesh has no area"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: str, words: str) -> None:
    write_shapes(tmp_path)
    (tmp_path / "ball" / name).write_text(content)
    with pytest.raises(InputError, match=words):
        CloudFolder(str(tmp_path)).load()


def test_too_little_to_learn_from(tmp_path: Path) -> None:
    write_shapes(tmp_path, each=4)
    with pytest.raises(InputError, match=r"found 8 rows, expected at least 10 to split off a tenth"):
        CloudFolder(str(tmp_path)).load()
    for number in range(12):
        write_points(tmp_path / "one" / "ball" / f"{number}.xyz", cloud(number))
    with pytest.raises(InputError, match=r"found only the class 'ball' in the training part"):
        CloudFolder(str(tmp_path / "one")).load()


def test_what_holds_clouds(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("x")
    assert not holds_clouds(str(tmp_path))
    write_points(tmp_path / "a" / "1.xyz", cloud(0))
    assert holds_clouds(str(tmp_path))
    assert not holds_clouds(str(tmp_path / "a" / "1.xyz"))


def test_many_clouds_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLEFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cloud_parsing, "_WORTH_KEEPING", 10)
    read: list[Path] = []
    original = cloud_parsing.read_file
    monkeypatch.setattr(cloud_parsing, "read_file", lambda path, view: (read.append(path), original(path, view))[1])
    folder = write_shapes(tmp_path / "shapes")
    first = CloudFolder(str(folder), points=20).load()
    assert len(read) == 20
    second = CloudFolder(str(folder), points=20, train_rotation="so3").load()
    assert len(read) == 20
    for row in range(len(first.train)):
        assert np.array_equal(first.train[row].coordinates, second.train[row].coordinates)
        assert np.array_equal(first.train[row].places, second.train[row].places)
    CloudFolder(str(folder), points=21).load()
    assert len(read) == 40
    write_points(folder / "ball" / "0.xyz", cloud(7, 51))
    CloudFolder(str(folder), points=20).load()
    assert len(read) == 60


def test_split_folders_hold_where_the_other_part_is_given(tmp_path: Path) -> None:
    write_meshes(tmp_path / "shapes")
    write_shapes(tmp_path / "more", each=2)
    for name, new in (("ball", "box"), ("disc", "sheet")):
        (tmp_path / "more" / name).rename(tmp_path / "more" / new)
    splits = CloudFolder(str(tmp_path / "shapes"), valid=str(tmp_path / "more"), points=20, normals=False).load()
    assert all("/train/" in name for name in splits.train.ids)
    assert len(splits.train) == 20
    assert all("/test/" in name for name in splits.test.ids)
    assert len(splits.valid) == 4


def test_a_part_that_is_given_and_also_a_folder(tmp_path: Path) -> None:
    write_meshes(tmp_path)
    with pytest.raises(InputError, match=r"test: given as .*box, but .* has clouds for it too, .*; expected one of"):
        CloudFolder(str(tmp_path), test=str(tmp_path / "box"), points=20).load()


def test_clouds_whose_points_have_no_labels_or_unseen_ones(tmp_path: Path) -> None:
    write_parts(tmp_path / "parts")
    points = cloud(0, 30)
    write_points(tmp_path / "new" / "none.txt", points, "x y z")
    write_points(tmp_path / "new" / "unseen.txt", np.c_[points, np.arange(30) % 2 * 7], "x y z label")
    write_points(tmp_path / "new" / "well.txt", np.c_[points, np.zeros(30)], "x y z label")
    new = str(tmp_path / "new")
    with pytest.raises(InputError, match=r"new: none.txt: found no labels of points"):
        CloudFolder(str(tmp_path / "parts"), "labels", points=16, parts=False, test=new).load()
    splits = CloudFolder(str(tmp_path / "parts"), "labels", points=16, parts=False, test=new, on_error="skip").load()
    assert set(splits.test.ids) == {"well.txt"}
    assert splits.skipped > 0
    (tmp_path / "new" / "none.txt").unlink()
    with pytest.raises(InputError, match=r"new: unseen.txt: column 'labels': label '7' does not occur"):
        splits.encoding.read(new, targets=True)
    again = splits.encoding.read(new, targets=True, on_error="skip")
    known = {name: (again[row].target >= 0).all() for row, name in enumerate(again.ids)}  # type: ignore[operator]
    assert known == {"unseen.txt": False, "well.txt": True}
    with pytest.raises(InputError, match=r"names: found 'a' twice"):
        CloudFolder(str(tmp_path / "parts"), "labels", names=["a", "b", "a"])


NAMES = [("ma\udce9", r"ma\\xe9', which is not UTF-8"), ("a\nb", r"a\\nb', which is with a control character")]


@pytest.mark.parametrize(("name", "message"), NAMES)
@pytest.mark.parametrize("kind", ["class", "file", "folder"])
def test_names_that_cannot_be_written_are_refused_before_files_are_read(
    tmp_path: Path, kind: str, name: str, message: str
) -> None:
    folder = write_shapes(tmp_path / "shapes", each=3)
    changed = {"class": folder / "disc", "file": folder / "disc" / "0.xyz", "folder": folder}[kind]
    changed.rename(changed.parent / f"{name}{changed.suffix}")
    path = changed.parent / name if kind == "folder" else folder
    with pytest.raises(InputError, match=message.replace("'", rf"{changed.suffix}'", 1)) as caught:
        read_folder(path, classes=True)
    assert str(caught.value).isprintable()


def test_a_single_file_whose_name_is_not_utf8(tmp_path: Path) -> None:
    path = write_points(tmp_path / "ma\udce9.xyz", cloud(0))
    with pytest.raises(InputError, match=r"found the name 'ma\\xe9.xyz', which is not UTF-8; rename it"):
        read_cloud_rows(path, None, "stop", CloudView())


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_not_used_is_said_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setenv("SAMPLEFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cloud_parsing, "_WORTH_KEEPING", 1)
    header = "ply\nformat ascii 1.0\nelement vertex 3\n" + "".join(f"property float {axis}\n" for axis in "xyzw")
    for name in "ab":
        (tmp_path / "shapes" / name).mkdir(parents=True)
        for number in range(10):
            text = f"{header}end_header\n{number} 0 0 1\n0 1 0 1\n0 0 1 1\n"
            (tmp_path / "shapes" / name / f"{number}.ply").write_text(text)
    for _ in range(times):
        caplog.clear()
        with caplog.at_level("INFO", logger="sampleformer"):
            CloudFolder(str(tmp_path / "shapes")).load()
        said = [record.getMessage() for record in caplog.records if "not used" in record.getMessage()]
        assert said == [f"{tmp_path / 'shapes'}: not used: w of vertex (20 of 20 clouds)"]


def test_scans_beside_vertices_are_seen_without_what_only_some_of_them_carry(tmp_path: Path) -> None:
    laspy = pytest.importorskip("laspy")
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    header = f"ply\nformat ascii 1.0\nelement vertex 40\n{axes}end_header"
    for number in range(12):
        points, folder = cloud(number), tmp_path / ("ball" if number % 2 else "disc")
        write_points(folder / f"{number}.ply", points, header)
        scan = laspy.LasData(laspy.LasHeader(point_format=0))
        scan.xyz = points
        scan.write(folder / f"{number}.las")
    with pytest.raises(InputError, match="expected [01], as in training; .* --set data.point_features=false"):
        CloudFolder(str(tmp_path), FOLDER).load()
    splits = CloudFolder(str(tmp_path), FOLDER, point_features=False).load()
    assert splits.encoding.model_inputs["features"] == 0
    assert {Path(name).suffix for name in splits.train.ids} == {".las", ".ply"}
