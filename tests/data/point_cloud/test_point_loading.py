"""Tests of labels of points."""

from pathlib import Path

import numpy as np
import pytest

from sampleformer.data.encoding import Encoding
from sampleformer.data.point_cloud.cloud_folder import CloudFolder
from sampleformer.data.point_cloud.cloud_table import CloudTable
from sampleformer.errors import InputError
from sampleformer.tables.format import TableFormat
from sampleformer.tasks import PartSegmentation, task_to_json
from sampleformer.training.predictions import predictions_of
from tests.data.point_cloud.small import cloud, write_parts, write_points


def test_every_point_of_a_test_cloud_is_asked_about_once(tmp_path: Path) -> None:
    splits = CloudFolder(str(write_parts(tmp_path)), "labels", points=16).load()
    test = splits.test
    outputs = np.zeros((int(test.lengths.sum()), 4), np.float32)
    predictions = predictions_of(test, outputs, splits.encoding.task)
    assert len(predictions.ids) == 2
    for number, name in enumerate(predictions.ids):
        rows = np.loadtxt(tmp_path / name, skiprows=1)
        assert predictions.tokens is not None
        assert predictions.targets is not None
        places = predictions.tokens[predictions.sample == number]
        assert sorted(places.tolist()) == list(range(len(rows)))
        found = [int(splits.encoding.task.labels[each]) for each in predictions.targets[predictions.sample == number]]
        assert found == rows[places, 3].astype(int).tolist()


def test_training_draws_points_with_their_labels(tmp_path: Path) -> None:
    splits = CloudFolder(str(write_parts(tmp_path)), "labels", points=16).load()
    assert (len(splits.train), len(splits.valid.ids)) == (16, len(splits.valid))
    sample = splits.train.drawn(3, np.random.default_rng(0))
    rows = np.loadtxt(tmp_path / sample.id, skiprows=1)
    assert len(sample) == 16
    assert sample.target is not None
    assert [int(splits.encoding.task.labels[each]) for each in sample.target] == rows[sample.places, 3].astype(
        int
    ).tolist()


def test_folders_that_share_no_label_have_parts(tmp_path: Path) -> None:
    encoding = CloudFolder(str(write_parts(tmp_path)), "labels", points=16).load().encoding
    assert isinstance(encoding.task, PartSegmentation)
    assert encoding.task.categories == {"ball": ["0", "1"], "disc": ["2", "3"]}
    assert encoding.task.name == "parts"
    encoding.save(tmp_path / "encoding.json")
    again = Encoding.load(tmp_path / "encoding.json")
    assert isinstance(again.task, PartSegmentation)
    assert task_to_json(again.task) == task_to_json(encoding.task)
    plain = CloudFolder(str(tmp_path), "labels", points=16, parts=False).load().encoding
    assert plain.task.name == "segmentation"


def test_saved_encodings_read_new_clouds_with_and_without_labels(tmp_path: Path) -> None:
    splits = CloudFolder(str(write_parts(tmp_path / "parts")), "labels", points=16).load()
    splits.encoding.save(tmp_path / "encoding.json")
    again = Encoding.load(tmp_path / "encoding.json")
    known = again.read(tmp_path / "parts" / "ball" / "0.txt", targets=True)
    assert known.targets is not None
    assert len(known.targets) == 40
    write_points(tmp_path / "new.xyz", cloud(3, 33))
    unknown = again.read(tmp_path / "new.xyz", targets=False)
    assert unknown.targets is None
    assert int(unknown.lengths.sum()) == 33
    with pytest.raises(InputError, match=r"new.xyz: found no labels of points"):
        again.read(tmp_path / "new.xyz", targets=True)


def test_scenes_are_cut_and_vote(tmp_path: Path) -> None:
    for number in range(10):
        points = cloud(number, 120)
        write_points(tmp_path / f"{number}.txt", np.c_[points, points[:, 0] > 0], "x y z label")
    source = CloudFolder(str(tmp_path), "labels", block=2.0, stride=1.0, room=True, normalise="none", points=16)
    splits = source.load()
    assert splits.encoding.model_inputs["features"] == 3
    assert len(splits.test) > 1
    assert len(set(splits.test.ids)) == 1
    outputs = np.zeros((int(splits.test.lengths.sum()), 2), np.float32)
    predictions = predictions_of(splits.test, outputs, splits.encoding.task)
    assert len(predictions.outputs) == 120 < len(outputs)


def test_unknown_labels_do_not_count_and_new_ones_are_refused(tmp_path: Path) -> None:
    write_parts(tmp_path)
    rows = np.loadtxt(tmp_path / "ball" / "0.txt", skiprows=1)
    rows[:5, 3] = -1
    write_points(tmp_path / "ball" / "0.txt", rows, "x y z label")
    splits = CloudFolder(str(tmp_path), "labels", points=100).load()
    for part in (splits.train, splits.valid, splits.test):
        for row in np.flatnonzero(np.array(part.ids) == "ball/0.txt"):
            assert (part[int(row)].target < 0).sum() == 5
    (tmp_path / "other").mkdir()
    write_points(tmp_path / "other" / "a" / "0.txt", np.c_[cloud(0), np.full(40, 9)], "x y z label")
    with pytest.raises(InputError, match=r"a/0.txt: column 'labels': label '9' does not occur in the training part"):
        splits.encoding.read(tmp_path / "other", targets=True)


def test_too_few_clouds_and_clouds_without_labels(tmp_path: Path) -> None:
    write_parts(tmp_path, each=2)
    with pytest.raises(InputError, match=r"found 4 clouds, expected at least 10"):
        CloudFolder(str(tmp_path), "labels").load()
    write_points(tmp_path / "ball" / "plain.xyz", cloud(0))
    with pytest.raises(InputError, match=r"ball/plain.xyz: found no labels of points"):
        CloudFolder(str(tmp_path), "labels").load()


def write_table(folder: Path, name: str = "clouds.csv", **columns: list[str]) -> Path:
    """The clouds of `write_parts` as a table with semicolons and umlauts in cp1252."""
    parts = sorted(write_parts(folder).glob("*/*.txt"))
    rows = [";".join(["größe", "cloud", *columns])]
    for number, part in enumerate(parts):
        told = [values[number % len(values)] for values in columns.values()]
        rows.append(";".join(["ö", str(part.relative_to(folder)), *told]))
    (folder / name).write_text("\n".join(rows), encoding="cp1252")
    return folder / name


def test_how_a_table_is_written_is_kept_for_the_next_one(tmp_path: Path) -> None:
    path = write_table(tmp_path)
    format = TableFormat(encoding="cp1252", separator=";")
    encoding = CloudTable(str(path), "cloud", "labels", format=format, points=16).load().encoding
    assert len(set(encoding.read(path, targets=True).ids)) == 20


def test_a_part_is_given_once(tmp_path: Path) -> None:
    path = write_table(tmp_path, fold=["train", "train", "valid", "test"])
    other = write_table(tmp_path, "other.csv")
    given = {"valid": "fold", "test": str(other), "format": TableFormat(encoding="cp1252", separator=";"), "points": 16}
    with pytest.raises(InputError, match="^test: given as the file .*other.csv and by a column, expected one of them"):
        CloudTable(str(path), "cloud", "labels", **given).load()
