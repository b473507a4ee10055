"""Files from an archive, or from the folder that it unpacks to."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from sampleformer.data.archive import archive_files
from sampleformer.errors import InputError

FILES = {"a.txt": b"one", "inner/b.txt": b"two" * 50_000}


def make_archive(path: Path, top: str = "set") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {**{f"{top}/{name}": text for name, text in FILES.items()}, "other.txt": b"no"}.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_archive_folder_and_folder_around_it_hold_the_same(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "set.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    for given in (path, tmp_path / "unpacked", tmp_path / "unpacked" / "set"):
        assert dict(archive_files(given, "set")) == FILES


def test_missing_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        list(archive_files(tmp_path / "none.tar.gz", "set"))


@pytest.mark.parametrize("keep", [0, 5, 40, -20])
def test_archive_cut_short(tmp_path: Path, keep: int) -> None:
    path = make_archive(tmp_path / "set.tar.gz")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"cut short|not a valid \.tar\.gz or \.zip archive") as caught:
        list(archive_files(path, "set"))
    assert str(path) in str(caught.value)


def test_file_that_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "set.tar.gz"
    path.write_text("text,label\na,b\n")
    with pytest.raises(InputError, match=r"not a valid \.tar\.gz or \.zip archive"):
        list(archive_files(path, "set"))


def test_zip_and_the_folder_that_it_unpacks_to(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("readme.txt", "outside")
        archive.writestr("set/a.txt", "first")
        archive.writestr("set/deep/b.txt", "second")
        archive.extractall(tmp_path / "unpacked")
    expected = {"a.txt": b"first", "deep/b.txt": b"second"}
    assert dict(archive_files(tmp_path / "set.zip", "set")) == expected
    assert dict(archive_files(tmp_path / "unpacked", "set")) == expected
    content = bytearray((tmp_path / "set.zip").read_bytes())
    place = content.index(b"first")
    content[place] ^= 255
    (tmp_path / "set.zip").write_bytes(bytes(content))
    with pytest.raises(InputError, match="set.zip: not a valid .zip archive"):
        list(archive_files(tmp_path / "set.zip", "set"))
