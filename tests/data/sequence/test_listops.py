"""ListOps in the cache and as samples."""

import json
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data import ListOps
from sampleformer.data.sequence import listops_generator
from sampleformer.errors import InputError

SMALL = {"train": 60, "valid": 20, "test": 10, "min_length": 5, "max_length": 60, "max_depth": 5}


def source(cache: Path, **settings: int) -> ListOps:
    return ListOps(**{**SMALL, "workers": 1, **settings}, cache=str(cache))  # type: ignore[arg-type]


def test_files_have_the_layout_of_the_long_range_arena(tmp_path: Path) -> None:
    folder = source(tmp_path).prepare()
    assert sorted(path.name for path in folder.iterdir()) == [
        "basic_test.tsv",
        "basic_train.tsv",
        "basic_val.tsv",
        "manifest.json",
    ]
    lines = (folder / "basic_val.tsv").read_text().splitlines()
    assert lines[0] == "Source\tTarget"
    assert len(lines) == 21
    expression, target = lines[1].split("\t")
    assert 5 < len(expression.split()) < 60
    assert target in "0123456789"


def test_samples(tmp_path: Path) -> None:
    splits = source(tmp_path).load()
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [60, 20, 10]
    # 4 operators, a bracket, 10 digits, and 0 for the unknown
    assert splits.encoding.model_inputs == {"vocabulary": 16}
    assert (splits.encoding.task.name, splits.encoding.task.outputs) == ("classification", 10)
    sources = [sample.source for part in (splits.train, splits.valid, splits.test) for sample in part]
    assert len(set(sources)) == 90
    for sample in splits.test:
        assert " ".join(splits.encoding.pieces(sample)) == sample.source
        assert sample.features.min() > 0
        assert 5 < len(sample.features) < 60


def test_same_settings_give_the_same_files_whatever_the_workers(tmp_path: Path) -> None:
    first, second = source(tmp_path / "a").prepare(), source(tmp_path / "b", workers=2).prepare()
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


def test_other_settings_live_in_other_folders(tmp_path: Path) -> None:
    folders = {source(tmp_path, **change).folder for change in ({}, {"seed": 1}, {"train": 61}, {"max_depth": 6})}
    assert len(folders) == 4


def test_files_are_generated_once(tmp_path: Path) -> None:
    folder = source(tmp_path).prepare()
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    source(tmp_path).load()
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_file_that_was_changed(tmp_path: Path) -> None:
    path = source(tmp_path).prepare() / "basic_train.tsv"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"basic_train.tsv: not the file that was generated .* delete the folder"):
        source(tmp_path).load()
    path.unlink()
    with pytest.raises(InputError, match="not the file that was generated"):
        source(tmp_path).load()


def test_manifest_that_cannot_be_read(tmp_path: Path) -> None:
    (source(tmp_path).prepare() / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"manifest.json: not a manifest .* delete the folder"):
        source(tmp_path).load()


def test_manifest_holds_settings_and_hashes(tmp_path: Path) -> None:
    manifest = json.loads((source(tmp_path).prepare() / "manifest.json").read_text())
    assert manifest["settings"]["max_depth"] == 5
    assert manifest["settings"]["train"] == 60
    assert {len(digest) for digest in manifest["sha256"].values()} == {64}


def test_interrupted_generation_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(operator: str, arguments: list[int]) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(listops_generator, "apply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            source(tmp_path).prepare()
    assert list(source(tmp_path).folder.iterdir()) == []
    assert len(source(tmp_path).load().train) == 60


def test_limit(tmp_path: Path) -> None:
    whole = source(tmp_path).load().train
    part = ListOps(**SMALL, workers=1, cache=str(tmp_path), limit=15).load()  # type: ignore[arg-type]
    assert [len(part.train), len(part.valid), len(part.test)] == [15, 15, 10]
    for sample in part.train:
        assert np.array_equal(sample.features, whole[int(sample.id) - 1].features)


@pytest.mark.parametrize("setting", [{"train": 0}, {"workers": 0}, {"limit": 0}, {"seed": -1}])
def test_settings_without_meaning(tmp_path: Path, setting: dict[str, int]) -> None:
    with pytest.raises(InputError, match=next(iter(setting))):
        source(tmp_path, **setting)
