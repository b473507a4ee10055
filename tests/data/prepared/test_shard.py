"""Shards: arrays in a file and back."""

from pathlib import Path

import numpy as np
import pytest

from sampleformer.data import TargetRows, TokenSets
from sampleformer.data.prepared.packing import arguments, checksum, pack, text_of
from sampleformer.data.prepared.shard import MappedShard, ShardNote, entry_of, read_layout, write_shard
from sampleformer.errors import InputError


def packed() -> dict[str, np.ndarray]:
    sets = TokenSets(
        np.arange(6, dtype=np.float32).reshape(3, 2),
        np.array([0, 2, 2, 3]),
        ["a é\n", "", "half \ud800"],
        ends=np.array([[0, 1]], np.uint8),
        edge_offsets=np.array([0, 1, 1, 1]),
        names=np.array(["x", "ÿ", 7], dtype=object),
        descriptors=np.ones((3, 2), np.float16),
        directed=True,
    )
    rows = TargetRows(np.array([1, 0, -1]), np.array([0, 2, 2, 3]))
    return pack(sets, rows, ["r1", "", "r3"], np.zeros(3, np.uint8), np.arange(3))


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    entry = write_shard(tmp_path / "a.safetensors", packed(), ShardNote(wrong=2, first="row 1"))
    layout = read_layout(tmp_path / "a.safetensors")
    found = MappedShard(tmp_path / "a.safetensors", layout).arrays
    for name, expected in packed().items():
        np.testing.assert_array_equal(found[name], expected)
        assert found[name].dtype == expected.dtype
    assert layout.note == ShardNote(wrong=2, first="row 1")
    assert entry_of(tmp_path / "a.safetensors") == entry
    assert (entry.samples, entry.bytes) == (3, (tmp_path / "a.safetensors").stat().st_size)


def test_a_sample_holds_what_its_set_held() -> None:
    held = arguments(packed(), 0)
    assert held["features"].tolist() == [[0, 1], [2, 3]]
    assert (held["source"], held["names"].tolist(), held["ends"].tolist()) == ("a é\n", ["x", "ÿ"], [[0, 1]])
    assert held["directed"]
    assert [text_of(packed(), "ids", row) for row in range(3)] == ["r1", "", "r3"]
    assert arguments(packed(), 2)["source"] == "half \ud800"
    assert arguments(packed(), 2)["names"].tolist() == [7]


def test_equal_arrays_make_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_shard(tmp_path / name, packed(), ShardNote())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("name", ["features", "ids", "sources", "target_values", "descriptors", "ends", "names"])
def test_a_checksum_sees_every_array(name: str) -> None:
    arrays = packed()
    before = checksum(arrays, 0)
    arrays[name] = arrays[name].copy()
    arrays[name].reshape(-1).view(np.uint8)[0] ^= 1
    assert checksum(arrays, 0) != before


def test_what_was_read_may_be_given_back(tmp_path: Path) -> None:
    write_shard(tmp_path / "a", packed(), ShardNote())
    shard = MappedShard(tmp_path / "a", read_layout(tmp_path / "a"))
    view = shard.arrays["features"][:2]
    shard.release()
    assert view.tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut short"),
        (b"\x08\0\0\0\0\0\0\0{}", "cut short"),
        (b"\x02\0\0\0\0\0\0\0[]", "not a whole shard"),
        (b"\xff" * 40, "cut short"),
        (b'\x3f\0\0\0\0\0\0\0{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}' + b" " * 11, "cut short"),
        (b'\x3f\0\0\0\0\0\0\0{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,8]}}' + b" " * 20, "not a whole shard"),
        (b'\x3f\0\0\0\0\0\0\0{"a":{"dtype":"B8","shape":[9],"data_offsets":[0,9]}}' + b" " * 20, "not a whole shard"),
    ],
)
def test_what_is_no_shard_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=f"a: .*{message}"):
        read_layout(tmp_path / "a")
