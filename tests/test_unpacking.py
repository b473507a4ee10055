"""What compressed files may unpack to, and arrays whose headers lie."""

import collections
import gzip
import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sampleformer import unpacking
from sampleformer.errors import InputError
from sampleformer.unpacking import open_gzip, open_zip, read_array, read_arrays, read_bytes, unpack_limit


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()


def header(dtype: str, shape: str, values: bytes = b"\0" * 24, by_column: bool = False) -> bytes:
    text = f"{{'descr': {dtype}, 'fortran_order': {by_column}, 'shape': {shape}}}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + values


@pytest.mark.parametrize(
    ("value", "expected"), [("1000", 1000), ("2K", 2048), ("3 MiB", 3 << 20), ("8G", 8 << 30), ("1t", 1 << 40)]
)
def test_the_limit_is_a_setting(monkeypatch: pytest.MonkeyPatch, value: str, expected: int) -> None:
    assert unpack_limit(10) == unpacking.ALWAYS_TAKEN
    assert unpack_limit(10**8) == 10**10
    monkeypatch.setenv(unpacking.LIMIT_VARIABLE, value)
    assert unpack_limit(10) == unpack_limit(10**8) == expected


@pytest.mark.parametrize("value", ["", "much", "-1", "1e9", "9" * 30])
def test_a_limit_that_is_no_size(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(unpacking.LIMIT_VARIABLE, value)
    with pytest.raises(InputError, match="SAMPLEFORMER_UNPACK_LIMIT: found"):
        unpack_limit(10)


def test_bombs_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    zeros = bytes(1 << 20)
    with gzip.open(tmp_path / "a.gz", "wb", compresslevel=1) as file:
        for _ in range(300):
            file.write(zeros)
    deflated = zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with deflated as archive, archive.open("x.npy", "w") as member:
        for _ in range(300):
            member.write(zeros)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"a.zip: .* would unpack to 314,572,800, expected at most 268,435,456"):
            read_arrays(tmp_path / "a.zip")
        with open_gzip(tmp_path / "a.gz") as stream, pytest.raises(InputError, match=r"a.gz: .* would unpack to"):
            collections.deque(iter(lambda: stream.read(1 << 20), b""), maxlen=0)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_a_gzip_file_is_read_in_parts(tmp_path: Path) -> None:
    text = b"a,b\n" * 100_000
    (tmp_path / "a.gz").write_bytes(gzip.compress(text))
    with open_gzip(tmp_path / "a.gz") as stream:
        assert stream.read(10) + stream.read() == text
    assert read_bytes(tmp_path / "a.gz", compressed=True) == text


@pytest.mark.parametrize("keep", [1, 5, 12, 40, -5])
def test_a_gzip_file_that_is_cut_or_damaged(tmp_path: Path, keep: int) -> None:
    content = gzip.compress(bytes(range(256)))
    (tmp_path / "a.gz").write_bytes(content[:keep])
    with pytest.raises(InputError, match=r"a.gz: (the gzip file is cut short|not a valid gzip file)"):
        read_bytes(tmp_path / "a.gz", compressed=True)
    damaged = bytearray(content)
    damaged[keep] ^= 255
    (tmp_path / "a.gz").write_bytes(damaged)
    if keep not in (5,):  # the time of the file, which is not checked
        with pytest.raises(InputError, match=r"a.gz: (the gzip file is cut short|not a valid gzip file)"):
            read_bytes(tmp_path / "a.gz", compressed=True)


def test_an_encrypted_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
    content = bytearray(path.read_bytes())
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(sign) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.zip: 'a.txt' is encrypted"), open_zip(path):
        pass


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["ä", "b😀"]),
        np.array([b"ab", b"c"]),
        np.array(3.5),
        np.zeros((0, 3)),
        np.array([], dtype=str),
        np.array([True, False]),
        np.arange(4, dtype=">i2"),
    ],
    ids=str,
)
def test_arrays_come_back_as_they_were(tmp_path: Path, array: np.ndarray) -> None:
    found = read_array(npy(array), "a.npy")
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    assert found.flags.writeable
    np.savez(tmp_path / "a.npz", x=array, y=np.zeros(2))
    arrays, names = read_arrays(tmp_path / "a.npz", ["x"])
    assert (names, list(arrays)) == (["x", "y"], ["x"])
    np.testing.assert_array_equal(arrays["x"], array)


@pytest.mark.parametrize(
    "content",
    [
        header("'<f8'", "(10**12,)"),
        header("'<f8'", "(1000000000000,)"),
        header("'<f8'", "(4,)"),
        header("'<f8'", "(2,)"),
        header("'<f8'", "(-3,)"),
        header("'<f8'", "(-1, -3)"),
        header("'<f8'", "(3, 0, -1)", b""),
        header("'|O'", "(3,)"),
        header("'<U0'", "(1000000000000,)", b""),
        header("'|V0'", "(4,)", b""),
        header("[('a', '<f8')]", "(3,)"),
        header("('<f8', (3,))", "(1,)"),
        header("'<U1'", "(1,)", b"\xff\xff\xff\xff"),
        header("'nonsense'", "(3,)"),
        header("'<f8'", "'(3,)'"),
        header("'<f8'", f"({'1,' * 200})"),
        b"\x93NUMPY\x03\x00" + header("'<f8'", "(3,)")[8:],
        b"\x93NUMPY\x01\x00\xff\xff",
        b"\x93NUMPY",
        b"",
    ],
    ids=repr,
)
def test_arrays_that_lie(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^a.npz: array 'x': (not a valid NPY file|cut short)") as caught:
        read_array(content, "a.npz", "array 'x'")
    assert "\n" not in str(caught.value)
