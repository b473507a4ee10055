"""Folders that Dataset.save_to_disk writes, here as they are written with Arrow alone."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa

from sampleformer.data import TextTable
from sampleformer.errors import InputError
from sampleformer.tables.table import read_table, table_pieces

FEATURES = {"review": {"dtype": "string", "_type": "Value"}, "label": {"names": ["bad", "good"], "_type": "ClassLabel"}}


def save(folder: Path, rows: int, files: int = 1, first: int = 0) -> Path:
    """A dataset of texts and classes in some Arrow files."""
    folder.mkdir(parents=True)
    names = [f"data-{number:05}-of-{files:05}.arrow" for number in range(files)]
    schema = pa.schema([("review", pa.string()), ("label", pa.int64())])
    for number, name in enumerate(names):
        own = range(first + number, first + rows, files)
        columns = {"review": [f"text {row}" for row in own], "label": [row % 2 for row in own]}
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
            stream.write_table(pa.table(columns, schema=schema), max_chunksize=3)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))
    return folder


def test_classes_have_their_names(tmp_path: Path) -> None:
    table = read_table(save(tmp_path / "set", 5))
    assert table.column("review") == [f"text {row}" for row in range(5)]
    assert table.column("label") == ["bad", "good", "bad", "good", "bad"]
    assert table.place(4) == "row 5"


def test_several_files_in_pieces(tmp_path: Path) -> None:
    folder = save(tmp_path / "set", 20, files=2)
    pieces = list(table_pieces(folder, rows=2))
    assert max(map(len, pieces)) == 2
    assert [row for piece in pieces for row in piece.rows] == list(range(1, 21))
    assert [text for piece in pieces for text in piece.column("review")] == read_table(folder).column("review")


def test_an_unknown_class_is_an_empty_field(tmp_path: Path) -> None:
    folder = save(tmp_path / "set", 3)
    schema = pa.schema([("review", pa.string()), ("label", pa.int64())])
    with pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        stream.write_table(pa.table({"review": ["a", "b", "c"], "label": [-1, None, 7]}, schema=schema))
    assert read_table(folder).column("label") == [None, None, "7"]


@pytest.mark.parametrize("valid", ["validation", None])
def test_splits_are_those_of_the_folder(tmp_path: Path, valid: str | None) -> None:
    names = ["train", "test", *([valid] if valid else [])]
    for number, name in enumerate(names):
        save(tmp_path / "sets" / name, [30, 6, 4][number], first=100 * number)
    (tmp_path / "sets" / "dataset_dict.json").write_text(json.dumps({"splits": names}))
    splits = TextTable(tmp_path / "sets", "review", "label").load()
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == ([30, 4, 6] if valid else [27, 3, 6])
    assert splits.encoding.task.labels == ["bad", "good"]
    with pytest.raises(InputError, match="sets: found the splits of a saved DatasetDict, expected one of them"):
        read_table(tmp_path / "sets")


def damaged(folder: Path, name: str, content: Any) -> str:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError) as caught:
        read_table(folder)
    return str(caught.value)


def test_what_is_no_saved_dataset_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "set", 3)
    assert "expected the name of a file in the folder" in damaged(
        folder, "state.json", {"_data_files": [{"filename": "../other.arrow"}]}
    )
    assert "state.json: found no list '_data_files'" in damaged(folder, "state.json", {})
    assert "nothing.arrow: no such file" in damaged(
        folder, "state.json", {"_data_files": [{"filename": "nothing.arrow"}]}
    )
    assert "dataset_info.json" in damaged(folder, "dataset_info.json", "{")
    other = save(tmp_path / "other", 3)
    assert "not an Arrow file of a saved dataset" in damaged(other, "data-00000-of-00001.arrow", "no arrow")
    splits = tmp_path / "splits"
    save(splits / "test", 3)
    (splits / "dataset_dict.json").write_text(json.dumps({"splits": ["test"]}))
    with pytest.raises(InputError, match="found the splits test, expected one named 'train'"):
        TextTable(splits, "review", "label")


def test_what_datasets_itself_saves(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset.from_dict({"review": [f"r {n}" for n in range(40)], "label": [n % 2 for n in range(40)]})
    whole = whole.cast_column("label", datasets.ClassLabel(names=["no", "yes"]))
    whole.filter(lambda row: row["label"] == 1).save_to_disk(tmp_path / "some")
    assert set(read_table(tmp_path / "some").column("label")) == {"yes"}
    whole.train_test_split(0.25, seed=0).save_to_disk(tmp_path / "sets")
    splits = TextTable(tmp_path / "sets", "review", "label").load()
    assert len(splits.test) == 10
