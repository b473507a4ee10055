"""Points from PCD files of the Point Cloud Library."""

from __future__ import annotations

import re
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud, not_used
from sampleformer.data.point_cloud.lzf import decompress_lzf
from sampleformer.data.point_cloud.text_rows import text_rows, to_numbers
from sampleformer.errors import InputError, one_line, shown
from sampleformer.unpacking import check_unpacked, read_bytes

_NORMALS = ("normal_x", "normal_y", "normal_z")
_FEATURES = ("intensity", "rgb", "rgba", "r", "g", "b")
_PACKED = ("rgb", "rgba")  # red, green and blue in the bytes of one number of four
_TYPES = {"F": "f", "U": "u", "I": "i"}
_LARGEST = 8  # bytes of a number


def read_pcd(path: Path) -> Cloud:
    """The points of a PCD file, ascii, binary or binary_compressed.

    The fields x, y and z are the coordinates, normal_x, normal_y and normal_z the normals, label the labels; intensity
    and the parts of colours, from 0 to 1, are features. Others are not used, which the remarks of the cloud say.

    Args:
        path: Path of the file.

    Raises:
        InputError: if it is no valid PCD file, does not hold as many points as its header says, or a coordinate is not
            finite.

    Source: Point Cloud Library, "The PCD (Point Cloud Data) file format", version 0.7.
    """
    content = read_bytes(path)
    header = _Header.of(path, content)
    fields = header.fields(path)
    data = content[header.end :]
    try:
        if header.kind == "ascii":
            columns = _ascii(path, data, header, fields)
        elif header.kind == "binary":
            columns = _binary(data, header.points, fields)
        elif header.kind == "binary_compressed":
            columns = _compressed(path, data, header.points, fields)
        else:
            raise ValueError(f"DATA: found {shown(header.kind)}, expected ascii, binary or binary_compressed")
        return _cloud(columns, [name for name, _, _ in fields if name != "_" and not _is_used(name)])
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


@dataclass(frozen=True)
class _Header:
    entries: dict[str, list[str]]
    end: int  # where the data start, in bytes
    lines: int
    points: int
    kind: str

    @classmethod
    def of(cls, path: Path, content: bytes) -> _Header:
        entries: dict[str, list[str]] = {}
        end = lines = 0
        while "DATA" not in entries:
            stop = content.find(b"\n", end)
            if stop < 0 or lines > 100:
                raise InputError(f"{path}: found no line DATA in the header, expected a PCD file")
            words = content[end:stop].decode("latin-1").split()
            end, lines = stop + 1, lines + 1
            if words and not words[0].startswith("#"):
                entries[words[0]] = words[1:]
        for name in ("FIELDS", "SIZE", "TYPE", "POINTS", "DATA"):
            if not entries.get(name):
                raise InputError(f"{path}: found no {name} in the header, expected a PCD file")
        points = _count(path, "POINTS", entries["POINTS"][0])
        if entries.get("WIDTH") and entries.get("HEIGHT"):
            width, height = (_count(path, name, entries[name][0]) for name in ("WIDTH", "HEIGHT"))
            if width * height != points:
                found = f"POINTS: found {points}, expected {width * height}"
                raise InputError(f"{path}: {found}, which is WIDTH {width} times HEIGHT {height}")
        return cls(entries, end, lines, points, entries["DATA"][0])

    def fields(self, path: Path) -> list[tuple[str, np.dtype, int]]:
        """Name, type and number of values of each field of a point."""
        names, sizes, types = (self.entries[name] for name in ("FIELDS", "SIZE", "TYPE"))
        counts = self.entries.get("COUNT", ["1"] * len(names))
        if not len(names) == len(sizes) == len(types) == len(counts):
            raise InputError(f"{path}: found FIELDS, SIZE, TYPE and COUNT of different lengths, expected one a field")
        result = []
        for name, size, letter, count in zip(names, sizes, types, counts, strict=True):
            try:
                result.append((name, np.dtype(f"<{_TYPES[letter]}{int(size)}"), int(count)))
                if int(size) > _LARGEST or int(count) < (1 if _is_used(name) else 0):
                    raise ValueError("out of range")
            except (KeyError, TypeError, ValueError) as error:
                found = one_line(f"{name} of type {letter}, size {size}, count {count}", 200)
                expected = f"types F, U, I of 1 to {_LARGEST} bytes, and a count of at least 1"
                raise InputError(f"{path}: found the field {found}, expected {expected}") from error
        found = one_line(" ".join(names), 200)
        twice = [name for name, count in Counter(names).items() if count > 1 and _is_used(name)]
        if twice:
            raise InputError(f"{path}: FIELDS: found {found}, expected {twice[0]} once")
        missing = [name for name in ("x", "y", "z") if name not in names]
        if missing:
            raise InputError(f"{path}: FIELDS: found {found}, expected {missing[0]} among them")
        return result


def _count(path: Path, name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text, re.ASCII):
        raise InputError(f"{path}: {name}: found {shown(text)}, expected a number")
    return int(text)


Fields = list[tuple[str, np.dtype, int]]
Columns = dict[str, np.ndarray]


def _ascii(path: Path, data: bytes, header: _Header, fields: Fields) -> Columns:
    rows = text_rows(path, data, first=header.lines + 1) if data.strip() else []
    if len(rows) != header.points:
        raise ValueError(f"found {len(rows)} lines of points, expected {header.points} as in the header")
    width = sum(count for _, _, count in fields)
    for row in rows:
        if len(row.fields) != width:
            raise ValueError(f"line {row.line}: found {len(row.fields)} columns, expected {width} as in the header")
    columns, place = {}, 0
    for name, _, count in fields:
        if _is_used(name):
            values = to_numbers(path, rows, place, place + 1)[:, 0]
            columns[name] = _packed(values) if name in _PACKED else values
        place += count
    return columns


def _packed(values: np.ndarray) -> np.ndarray:
    """Packed colours from text, which has their bits as a whole number, or as the float that they would be."""
    whole = (values == np.round(values)) & (values >= 0) & (values < 2**32)
    with np.errstate(over="ignore"):
        floats = np.where(whole, 0, values).astype(np.float32).view(np.uint32)
    return np.where(whole, np.where(whole, values, 0).astype(np.uint32), floats)


def _binary(data: bytes, points: int, fields: Fields) -> Columns:
    size = points * sum(kind.itemsize * count for _, kind, count in fields)
    if len(data) < size:
        raise ValueError(f"cut short: found {len(data)} bytes of data, expected {size}")
    # Fields that only fill up all have the same name, so places stand for names.
    dtype = np.dtype([(str(place), kind, (count,)) for place, (_, kind, count) in enumerate(fields)])
    _check_end(data[size:])
    values = np.frombuffer(data, dtype, points)
    return {name: values[str(place)][:, 0] for place, (name, _, _) in enumerate(fields) if _is_used(name)}


def _compressed(path: Path, data: bytes, points: int, fields: Fields) -> Columns:
    """Fields one after the other, each of all points."""
    expected = points * sum(kind.itemsize * count for _, kind, count in fields)
    if len(data) < 8:
        raise ValueError(f"cut short: found {len(data)} bytes of data, expected 8 or more")
    compressed, size = struct.unpack_from("<II", data)
    if size != expected or len(data) < 8 + compressed:
        found = f"{len(data) - 8} bytes that unpack to {size}"
        raise ValueError(f"cut short: found {found}, expected {compressed} that unpack to {expected}")
    _check_end(data[8 + compressed :])
    check_unpacked(path, size, len(data))
    unpacked = decompress_lzf(data[8 : 8 + compressed], size)
    columns, start = {}, 0
    for name, kind, count in fields:
        if _is_used(name):
            columns[name] = np.frombuffer(unpacked, kind, points * count, start).reshape(points, count)[:, 0]
        start += points * count * kind.itemsize
    return columns


def _check_end(rest: bytes) -> None:
    if rest.strip(b"\0 \t\r\n"):
        raise ValueError(f"found {len(rest)} bytes behind all points that the header announces, expected none")


def _is_used(name: str) -> bool:
    return name in ("x", "y", "z", "label", *_NORMALS, *_FEATURES)


def _cloud(columns: Columns, unused: list[str]) -> Cloud:
    features = [part for name in _FEATURES if name in columns for part in _parts(name, columns[name])]
    normals = [name for name in _NORMALS if name in columns]
    if len(normals) < len(_NORMALS):
        unused = [*unused, *normals]
    return Cloud.measured(
        np.stack([columns[name] for name in ("x", "y", "z")], axis=1),
        np.stack([columns[name] for name in _NORMALS], axis=1) if len(normals) == len(_NORMALS) else None,
        np.stack(features, axis=1) if features else None,
        columns.get("label"),
        not_used(unused),
    )


def _parts(name: str, values: np.ndarray) -> list[np.ndarray]:
    """The features in a field: the number, or red, green and blue from 0 to 1."""
    if name in ("r", "g", "b") and values.dtype.kind in "ui":
        return [values / 255]
    if name not in _PACKED:
        return [values]
    if values.dtype.itemsize != 4:
        raise ValueError(f"{name}: found numbers of {values.dtype.itemsize} bytes, expected 4")
    packed = np.ascontiguousarray(values).view(np.uint32)
    return [(packed >> shift & 255) / 255 for shift in (16, 8, 0)]
