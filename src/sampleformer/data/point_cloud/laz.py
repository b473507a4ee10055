"""Sizes in LAZ files, checked before the decoder believes them: where it gets no memory, it ends the whole program."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from sampleformer.extras import require
from sampleformer.unpacking import check_unpacked

_HEAD = struct.Struct("<H10xI16xH")  # compressor, points of a chunk, number of items
_ITEM = struct.Struct("<HH2x")  # type and bytes
_LAYERED = 3
_VARIABLE = 2**32 - 1  # in the place of the points of a chunk: the table says how many each has
# How many streams of its own an item has in a layered chunk, by its type; each extra byte has one.
_LAYERS = {10: 9, 11: 1, 12: 2, 13: 1}
_BYTES = 14


def check_chunks(path: Path, record: bytes, start: int, points: int, size: int) -> None:
    """Compares the sizes of the chunks of a LAZ file with the bytes that are there.

    Args:
        path: Path of the file.
        record: Content of LASzip's record.
        start: Place of the points, in bytes.
        points: Number of points.
        size: Bytes of a point that is unpacked.

    Raises:
        ValueError: if they do not fit.
        InputError: if a chunk would unpack to more than may be.

    Source: Isenburg 2013, "LASzip: lossless compression of LiDAR data"; "LAZ specification 1.4" of rapidlasso.
    """
    lazrs = require("lazrs", "points")
    compressor, chunk, count = _HEAD.unpack_from(record)
    items = [_ITEM.unpack_from(record, _HEAD.size + number * _ITEM.size) for number in range(count)]
    if sum(item_size for _, item_size in items) != size:
        raise ValueError(f"found points of {sum(item_size for _, item_size in items)} bytes, expected {size}")
    streams = sum(item_size if kind == _BYTES else _LAYERS.get(kind, 0) for kind, item_size in items)
    with path.open("rb") as file:
        table = _table(file, start)
        chunks = _number(file, table + 4, "<I")
        if (chunks - 1) * size > table - start:
            raise ValueError(f"cut short: found {table - start} bytes of points, too few for {chunks} chunks")
        file.seek(start)
        counts, sizes = zip(*lazrs.read_chunk_table(file, lazrs.LazVlr(record)), strict=True) if chunks else ((), ())
        if sum(sizes) > table - start:
            raise ValueError(f"cut short: found {table - start} bytes of points, expected {sum(sizes)} in the chunks")
        if chunk == _VARIABLE and sum(counts) != points:
            raise ValueError(f"found {sum(counts)} points in the chunks, expected {points} as in the header")
        if chunk != _VARIABLE:
            check_unpacked(path, chunk * size, place="chunk")
        place = start + 8
        for held in sizes:
            if compressor == _LAYERED and held:
                _check_layers(file, place + size, held - size, streams)
            place += held


def _table(file: BinaryIO, start: int) -> int:
    """Where the table of chunks starts: as is said in front of the points, or else at the end."""
    place = _number(file, start, "<q")
    end = file.seek(0, 2)
    if place == -1:
        place = _number(file, end - 8, "<q")
    if not start + 8 <= place <= end - 8:
        raise ValueError(f"cut short: found no table of chunks at byte {place}")
    return place


def _check_layers(file: BinaryIO, place: int, held: int, streams: int) -> None:
    file.seek(place)
    head = file.read(4 * (1 + streams))
    sizes = struct.unpack(f"<{1 + streams}I", head)[1:]
    if sum(sizes) + len(head) > held:
        raise ValueError(f"damaged: found a chunk of {held} bytes, too few for its layers of {sum(sizes)}")


def _number(file: BinaryIO, place: int, form: str) -> int:
    file.seek(place)
    return int(struct.unpack(form, file.read(struct.calcsize(form)))[0])
