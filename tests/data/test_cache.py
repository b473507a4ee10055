"""Where data is kept, and how files get there whole or not at all."""

import hashlib
from pathlib import Path

import pytest

from sampleformer.data.cache import cache_folder, make_folder, sha256
from sampleformer.errors import InputError


def test_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAMPLEFORMER_CACHE", raising=False)
    assert cache_folder().name == "sampleformer"
    monkeypatch.setenv("SAMPLEFORMER_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    assert cache_folder(tmp_path / "given") == tmp_path / "given"


def test_sha256(tmp_path: Path) -> None:
    content = b"x" * 3_000_000
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(InputError, match="cannot create the folder"):
        make_folder(tmp_path / "a" / "b")
