"""What the tests of graphs share."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of each test's own, for encodings and datasets."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SAMPLEFORMER_CACHE", str(cache))
    return cache
