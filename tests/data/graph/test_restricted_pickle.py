"""Pickles that may hold plain data alone."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from sampleformer.data.graph.restricted_pickle import read_pickle
from sampleformer.errors import InputError


class Attack:
    """What a pickle may do if it is let."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_plain_data(protocol: int) -> None:
    content = {
        "train": np.array([3, 1], dtype=np.int64),
        "names": ["a", ("b", 2.5, None, True)],
        "scalar": np.float32(1.5),
        "tensors": (torch.arange(3), torch.ones(2, 2)),
        "bytes": b"\xff\x00",
    }
    found = read_pickle(io.BytesIO(pickle.dumps(content, protocol)), "data.pickle")
    np.testing.assert_array_equal(found["train"], content["train"])
    assert (found["names"], found["scalar"], found["bytes"]) == (content["names"], content["scalar"], content["bytes"])
    assert all(torch.equal(a, b) for a, b in zip(found["tensors"], content["tensors"], strict=True))


def test_nothing_is_run(tmp_path: Path) -> None:
    attack = pickle.dumps([1, Attack(tmp_path / "made")])
    with pytest.raises(
        InputError, match="data.pickle: found an object of posix.mkdir, expected nothing but plain data"
    ):
        read_pickle(io.BytesIO(attack), "data.pickle")
    inside = io.BytesIO()
    torch.save(Attack(tmp_path / "made"), inside)
    hidden = _calling_load_from_bytes(inside.getvalue())
    with pytest.raises(InputError, match="data.pickle: not a whole pickle"):
        read_pickle(io.BytesIO(hidden), "data.pickle")
    assert not (tmp_path / "made").exists()


def _calling_load_from_bytes(content: bytes) -> bytes:
    """A pickle that gives bytes to the function with which pickled tensors read theirs."""

    class Storage:
        def __reduce__(self) -> tuple[object, tuple[bytes]]:
            return torch.storage._load_from_bytes, (content,)

    return pickle.dumps(Storage())


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(list(range(100)))[:-20]])
def test_damaged(content: bytes) -> None:
    with pytest.raises(InputError, match="data.pickle: not a whole pickle"):
        read_pickle(io.BytesIO(content), "data.pickle")
