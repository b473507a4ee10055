"""The movie reviews, from files of the published layout."""

import csv
import tarfile
from pathlib import Path

import pytest

from sampleformer.data import Imdb
from sampleformer.data.sequence import imdb
from sampleformer.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split, count in (("train", 20), ("test", 5)):
        for label in ("pos", "neg"):
            inner = tmp_path / "aclImdb" / split / label
            inner.mkdir(parents=True)
            for number in range(count):
                (inner / f"{number}_7.txt").write_text(f"A {label} film, né {split}. {number}", encoding="utf-8")
    unlabelled = tmp_path / "aclImdb" / "train" / "unsup"
    unlabelled.mkdir()
    (unlabelled / "0_0.txt").write_text("not used")
    (tmp_path / "aclImdb" / "README").write_text("not used")
    return tmp_path / "aclImdb"


def test_archive_and_folder_give_the_same(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive = tmp_path / "aclImdb_v1.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(folder, "aclImdb")
    found = [Imdb(path=str(path)).load() for path in (folder, archive)]
    for splits in found:
        assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [36, 4, 10]
        assert splits.encoding.task.labels == ["neg", "pos"]
        for sample in splits.test:
            assert sample.id.startswith(f"test/{splits.encoding.task.labels[int(sample.target)]}/")  # type: ignore[arg-type]
            assert splits.encoding.task.labels[int(sample.target)] in (sample.source or "")  # type: ignore[arg-type]
    assert found[0].train.ids == found[1].train.ids
    assert "found 50 reviews, the published set has 50000" in caplog.text


def test_table_with_a_split_column(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    with path.open("w", newline="") as file:
        rows = [[f"text {n}", n % 2, "test" if n % 5 == 0 else "train"] for n in range(50)]
        csv.writer(file).writerows([["text", "label", "split"], *rows])
    splits = Imdb(path=str(path), tokens="words", limit=20).load()
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [20, 4, 10]


def test_missing_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        Imdb(path=str(tmp_path / "none")).load()


def test_folder_without_reviews(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no reviews, expected files such as aclImdb/train/pos"):
        Imdb(path=str(tmp_path)).load()


def test_broken_utf8_names_the_file(folder: Path) -> None:
    (folder / "test" / "neg" / "3_7.txt").write_bytes(b"ab\xff")
    with pytest.raises(InputError, match=r"test/neg/3_7.txt: byte 2 \(0xff\) is not UTF-8"):
        Imdb(path=str(folder)).load()


def test_download_is_used_when_no_path_is_given(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        name = "aclImdb_v1.tar.gz"

        def fetch(self, cache: str | None) -> Path:
            assert cache == str(tmp_path)
            return folder

    monkeypatch.setattr(imdb, "ARCHIVE", Fake())
    assert len(Imdb(cache=str(tmp_path)).load().test) == 10
