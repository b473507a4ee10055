"""Tests of tables that list clouds."""

import json
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data.encoding import Encoding
from sampleformer.data.point_cloud.cloud_table import CloudTable
from sampleformer.errors import InputError
from tests.data.point_cloud.small import write_parts, write_shapes


def _table(folder: Path, rows: int = 20) -> Path:
    write_shapes(folder / "shapes")
    names = [f"shapes/{name}/{number}.xyz" for name in ("ball", "disc") for number in range(10)][:rows]
    lines = [f"{name},{n % 3},{n * 0.5 + 0.1},{n % 2},{int(n > 9)}" for n, name in enumerate(names)]
    path = folder / "table.csv"
    path.write_text("\n".join(["file,kind,weight,old,flat", *lines]) + "\n")
    return path


def test_classes_numbers_and_several_labels(tmp_path: Path) -> None:
    path = str(_table(tmp_path))
    kinds = CloudTable(path, "file", "kind", points=20).load()
    assert (kinds.encoding.task.name, kinds.encoding.task.labels) == ("classification", ["0", "1", "2"])
    weights = CloudTable(path, "file", "weight", points=20).load()
    assert weights.encoding.task.name == "regression"
    flags = CloudTable(path, "file", ["old", "flat"], points=20).load()
    assert (flags.encoding.task.name, flags.encoding.task.labels) == ("multilabel", ["old", "flat"])


def test_paths_are_taken_from_the_folder_of_the_table_and_read_again(tmp_path: Path) -> None:
    path = _table(tmp_path)
    splits = CloudTable(str(path), "file", "weight", points=20).load()
    splits.encoding.save(tmp_path / "encoding.json")
    samples = Encoding.load(tmp_path / "encoding.json").read(path, targets=True)
    assert samples.ids == [str(row) for row in range(1, 21)]
    row = samples.ids.index(splits.train.ids[0])
    assert np.array_equal(samples[row].coordinates, splits.train[0].coordinates)
    assert samples.targets is not None
    assert np.array_equal(samples.targets[row], splits.train.targets[0])


def test_wrong_rows(tmp_path: Path) -> None:
    path = _table(tmp_path)
    path.write_text(path.read_text() + "shapes/ball/none.xyz,1,2,0,0\n")
    with pytest.raises(InputError, match=r"table.csv: row 21 \(line 22\): no such file"):
        CloudTable(str(path), "file", "weight").load()
    assert CloudTable(str(path), "file", "weight", on_error="skip").load().skipped == 1
    with pytest.raises(InputError, match=r"column 'fil' is missing; did you mean 'file'"):
        CloudTable(str(path), "fil", "weight").load()
    with pytest.raises(InputError, match=r"column 'file' is both input and label"):
        CloudTable(str(path), "file", "file").load()


@pytest.mark.parametrize("ending", ["xyz", "off", "npy", "las", ""])
@pytest.mark.parametrize("cached", [False, True])
def test_a_name_that_is_too_long_is_a_wrong_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, cached: bool
) -> None:
    monkeypatch.setattr("sampleformer.data.point_cloud.cloud_parsing._WORTH_KEEPING", 1 if cached else 200)
    path = _table(tmp_path)
    path.write_text(path.read_text() + f"shapes/ball/{'a' * 300}.{ending},1,2,0,0\n")
    with pytest.raises(InputError, match=r"table.csv: row 21 \(line 22\)"):
        CloudTable(str(path), "file", "weight").load()
    assert CloudTable(str(path), "file", "weight", on_error="skip").load().skipped == 1


def test_labels_of_points_in_the_files_of_a_table(tmp_path: Path) -> None:
    write_parts(tmp_path)
    lines = [f"{name}/{number}.txt" for name in ("ball", "disc") for number in range(10)]
    (tmp_path / "t.csv").write_text("\n".join(["file", *lines]) + "\n")
    splits = CloudTable(str(tmp_path / "t.csv"), "file", "labels", points=20).load()
    assert (splits.encoding.task.level, splits.encoding.task.labels) == ("token", ["0", "1", "2", "3"])
    assert splits.encoding.task.name == "segmentation"


def test_two_clouds_of_one_name_are_not_averaged(tmp_path: Path) -> None:
    write_parts(tmp_path)
    files = [f"{name}/{number}.txt" for name in ("ball", "disc") for number in range(10)]
    lines = [f"c{number},{file}" for number, file in enumerate(files)]
    (tmp_path / "t.csv").write_text("\n".join(["id,file", *lines]) + "\n")
    encoding = CloudTable(str(tmp_path / "t.csv"), "file", "labels", points=20).load().encoding
    lines[4] = lines[4].replace("c4", "c3")
    (tmp_path / "t.csv").write_text("\n".join(["id,file", *lines]) + "\n")
    message = r"t\.csv: row 5 \(line 6\): the id 'c3' is that of row 4 too, expected another one for each cloud"
    with pytest.raises(InputError, match=message):
        encoding.read(tmp_path / "t.csv", targets=True)
    table = CloudTable(str(tmp_path / "t.csv"), "file", "labels", points=20, valid="split", test="split")
    lines = [f"{line},{'test' if k % 7 == 0 else 'valid' if k % 7 == 1 else 'train'}" for k, line in enumerate(lines)]
    (tmp_path / "t.csv").write_text("\n".join(["id,file,split", *lines]) + "\n")
    with pytest.raises(InputError, match=message):
        table.load()


def test_clouds_of_the_same_name_are_not_taken_for_one(tmp_path: Path) -> None:
    write_parts(tmp_path)
    path = tmp_path / "t.csv"
    lines = [f"{name}/{number}.txt,{number}" for name in ("ball", "disc") for number in range(10)]
    path.write_text("\n".join(["file,id", *lines]) + "\n")
    wrong = r"t.csv: row 11 \(line 12\): the id '0' is that of row 1 too, expected another one for each cloud"
    with pytest.raises(InputError, match=wrong):
        CloudTable(str(path), "file", "labels", points=16).load()
    splits = CloudTable(str(path), "file", "labels", id="file", points=16).load()
    splits.encoding.id_column = None
    with pytest.raises(InputError, match=wrong):
        splits.encoding.read(path, targets=False)


@pytest.mark.parametrize("value", [["a.xyz"], {"a": 1}, 7, None, "", " ", "a\0b.xyz"])
def test_what_is_no_path_is_a_wrong_row(tmp_path: Path, value: object) -> None:
    write_shapes(tmp_path / "shapes")
    names = [f"shapes/{name}/{number}.xyz" for name in ("ball", "disc") for number in range(10)]
    rows = [{"file": name, "weight": number + 0.5} for number, name in enumerate([*names[:3], value, *names[3:]])]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=r"row 4 \(line 4\): column 'file': found .*, expected the path of a file"):
        CloudTable(str(path), "file", "weight").load()
    assert CloudTable(str(path), "file", "weight", on_error="skip").load().skipped == 1
