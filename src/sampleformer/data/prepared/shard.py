"""One shard of prepared data: a safetensors file, written whole or not at all, whose arrays are read where they lie."""

from __future__ import annotations

import hashlib
import json
import math
import mmap
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field
from safetensors.numpy import save

from sampleformer.data.cache import sha256
from sampleformer.data.prepared.packing import INDEX
from sampleformer.errors import InputError
from sampleformer.files import write_bytes
from sampleformer.reading import open_file, reading
from sampleformer.settings import Settings

SUFFIX = ".safetensors"
NOTE = "sampleformer"
"""Key of the header under which a shard keeps how it was made."""
_KIND = "a whole shard of prepared data"
_DTYPES = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "U16": np.uint16,
    "U32": np.uint32,
    "U64": np.uint64,
    "I8": np.int8,
    "I16": np.int16,
    "I32": np.int32,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
}


class ShardNote(Settings):
    """What was found while the samples of a shard were made, beside them.

    Args:
        wrong: Rows that were left out.
        first: Place and fault of the first of them.
        truncated: Texts that were cut.
        empty: Texts without a token.
    """

    wrong: int = Field(default=0, ge=0)
    first: str = ""
    truncated: int = Field(default=0, ge=0)
    empty: int = Field(default=0, ge=0)


class ShardEntry(Settings):
    """One shard as the manifest knows it.

    Args:
        name: Name of the file.
        samples: Number of samples.
        bytes: Size of the file.
        sha256: SHA-256 of the file.
        index: SHA-256 of what a training reads of it when it starts, see `packing.INDEX`.
    """

    name: str
    samples: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str
    index: str


class Place(NamedTuple):
    """Where an array lies in a file."""

    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int


class Layout(NamedTuple):
    """Size of a shard's file, its arrays and its note."""

    bytes: int
    places: dict[str, Place]
    note: ShardNote


def write_shard(path: Path, arrays: Mapping[str, np.ndarray], note: ShardNote) -> ShardEntry:
    """Writes a shard; the same arrays give the same bytes.

    Args:
        path: Path of the file.
        arrays: Arrays as `pack` gives them.
        note: What was found while they were made.
    """
    content = save(dict(arrays), metadata={NOTE: note.model_dump_json()})
    write_bytes(path, content)
    whole = hashlib.sha256(content).hexdigest()
    return ShardEntry(
        name=path.name, samples=len(arrays["parts"]), bytes=len(content), sha256=whole, index=index_digest(arrays)
    )


def entry_of(path: Path) -> ShardEntry:
    """The entry of a shard that was written before.

    Raises:
        InputError: if the file is no shard.
    """
    layout = read_layout(path)
    arrays = MappedShard(path, layout).arrays
    with reading(path, _KIND):
        samples, index = len(arrays["parts"]), index_digest(arrays)
    return ShardEntry(name=path.name, samples=samples, bytes=layout.bytes, sha256=sha256(path), index=index)


def index_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the arrays that a training reads when it starts."""
    digest = hashlib.sha256()
    for name in INDEX:
        if name in arrays:
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def read_layout(path: Path) -> Layout:
    """Where the arrays of a shard lie.

    Raises:
        InputError: if the file is missing, cut short or no shard.
    """
    with open_file(path) as file, reading(path, _KIND):
        size = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= size - 8:
            raise EOFError
        header = json.loads(file.read(length))
        note = ShardNote.model_validate_json(header.pop("__metadata__", {}).get(NOTE, "{}"))
        places = {}
        for name, held in header.items():
            dtype, shape, (start, stop) = np.dtype(_DTYPES[held["dtype"]]), tuple(held["shape"]), held["data_offsets"]
            if stop - start != dtype.itemsize * math.prod(shape) or min(0, start, *shape) < 0:
                raise ValueError(f"the array {name!r} has {stop - start} bytes, not those of its shape")
            if 8 + length + stop > size:
                raise EOFError
            places[name] = Place(dtype, shape, 8 + length + start)
    return Layout(size, places, note)


class MappedShard:
    """A shard whose arrays are read where they lie.

    Args:
        path: Path of the file.
        layout: Where its arrays lie.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        with open_file(path) as file, reading(path, _KIND):
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if len(self._map) != layout.bytes:
                raise InputError(
                    f"{path}: changed while it is read: found {len(self._map):,} bytes, expected {layout.bytes:,}"
                )
            for advice in ("MADV_NOHUGEPAGE", "MADV_RANDOM"):  # a sample is small; 2 MiB around it would be counted
                if hasattr(mmap, advice):
                    with suppress(OSError):  # a kernel without it
                        self._map.madvise(getattr(mmap, advice))
            self.arrays = {name: self._array(place) for name, place in layout.places.items()}

    def _array(self, place: Place) -> np.ndarray:
        count = math.prod(place.shape)
        if not count:
            return np.zeros(place.shape, place.dtype)
        return np.frombuffer(self._map, place.dtype, count, place.offset).reshape(place.shape)

    def release(self) -> None:
        """Lets the system take back the memory of what was read; it is read again when it is asked for."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
