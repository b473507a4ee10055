"""Small tables of texts, and whether samples are the same."""

from dataclasses import fields
from pathlib import Path

import numpy as np

from sampleformer.data import Sample, Samples, Splits, TextTable
from sampleformer.data.prepared.manifest import SHARDS
from tests.training.small import write_texts


def text_source(folder: Path, rows: int = 60) -> TextTable:
    """A source of a table of texts, which is taken in pieces of seven rows."""
    path = folder / "texts.csv"
    source = TextTable(path if path.exists() else write_texts(path, rows), "review", "sentiment", tokens="characters")
    return in_pieces(source)


def in_pieces(source: TextTable) -> TextTable:
    """A source whose tables are taken in pieces of seven rows."""
    source.rows_at_once = 7  # type: ignore[misc]
    return source


def shards_of(folder: Path) -> dict[str, bytes]:
    """Content of each shard of a folder, and of what lies beside them."""
    files = [*(folder / SHARDS).iterdir(), *(path for path in folder.iterdir() if path.is_file())]
    return {path.name: path.read_bytes() for path in sorted(files)}


def assert_same(found: Splits, expected: Splits) -> None:
    """Fails unless all samples are the same, in evaluation and in training."""
    assert found.encoding.model_inputs == expected.encoding.model_inputs
    assert found.encoding.inputs.to_json() == expected.encoding.inputs.to_json()
    assert found.encoding.task.to_json() == expected.encoding.task.to_json()
    for part in ("train", "valid", "test"):
        ours: Samples = getattr(found, part)
        theirs: Samples = getattr(expected, part)
        assert ours.ids == theirs.ids
        assert ours.level == theirs.level
        assert ours.sizes.tolist() == theirs.sizes.tolist()
        _assert_equal(ours.targets, theirs.targets)
        for row in range(len(theirs)):
            assert_same_sample(ours[row], theirs[row])
            drawn = [samples.drawn(row, np.random.default_rng(row)) for samples in (ours, theirs)]
            assert_same_sample(*drawn)


def assert_same_sample(found: Sample, expected: Sample) -> None:
    """Fails unless two samples hold the same."""
    for field in fields(Sample):
        ours, theirs = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(theirs, np.ndarray):
            _assert_equal(ours, theirs)
        else:
            assert ours == theirs, field.name


def _assert_equal(found: np.ndarray | None, expected: np.ndarray | None) -> None:
    if expected is None:
        assert found is None
        return
    np.testing.assert_array_equal(found, expected)
    assert found is not None
    assert found.dtype.kind == expected.dtype.kind
