"""PLY files: the surface or the points, in text or binary."""

from __future__ import annotations

import re
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sampleformer.data.point_cloud.mesh import polygons_to_triangles, rows_by_size
from sampleformer.data.point_cloud.text_rows import TextRow, text_rows, to_integers, to_numbers
from sampleformer.errors import InputError, shown
from sampleformer.unpacking import read_bytes

_TYPES = {
    ("char", "int8"): "i1",
    ("uchar", "uint8"): "u1",
    ("short", "int16"): "i2",
    ("ushort", "uint16"): "u2",
    ("int", "int32"): "i4",
    ("uint", "uint32"): "u4",
    ("float", "float32"): "f4",
    ("double", "float64"): "f8",
}
_KINDS = {name: kind for names, kind in _TYPES.items() for name in names}
_FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_CORNERS = ("vertex_indices", "vertex_index")
_FLOATS = ("f4", "f8")
_COUNT = re.compile(r"\d{1,18}", re.ASCII)


class Property(NamedTuple):
    """A number of an element; a list of them if `length` is the type of the list's length."""

    name: str
    kind: str
    length: str | None = None


@dataclass(frozen=True)
class Element:
    """A table of a PLY file: name, number of rows and properties of each."""

    name: str
    rows: int
    properties: list[Property]


class Ply(NamedTuple):
    """Numbers of a PLY file.

    Args:
        vertices: Properties of the vertices that are no lists, by name; integers keep their type.
        triangles: Corners of each triangle, (f, 3) int64.
        unused: Names of elements and lists that are not used.
    """

    vertices: dict[str, np.ndarray]
    triangles: np.ndarray
    unused: tuple[str, ...]


def read_ply(path: Path) -> Ply:
    """The vertices and triangles of a PLY file, in text or binary, with polygons of any sizes, which become fans.

    Args:
        path: Path of the file.

    Raises:
        InputError: if it is no valid PLY file, or does not hold exactly what its header says.

    Source: Turk 1994, "The PLY Polygon File Format".
    """
    content = read_bytes(path)
    try:
        header = _Header.of(content)
        body = _TextBody(path, content, header) if not header.order else _BinaryBody(content, header)
        vertices: dict[str, np.ndarray] = {}
        triangles, unused = np.zeros((0, 3), np.int64), []
        for element in header.elements:
            body.start(element)
            if element.name == "face":
                corners = next((each for each in element.properties if each.name in _CORNERS and each.length), None)
                if corners is None and element.rows:
                    raise ValueError(f"the element face has no list {' or '.join(_CORNERS)}, expected one")
                if corners is not None:
                    triangles = body.triangles(element, corners)
                    unused += [f"{each.name} of face" for each in element.properties if each is not corners]
            elif element.name == "vertex":
                vertices = body.numbers(element)
                unused += [f"{each.name} of vertex" for each in element.properties if each.length]
            else:
                body.skip(element)
                unused += [element.name] * (element.rows > 0)
        body.check_end()
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return Ply(vertices, triangles, tuple(unused))


@dataclass(frozen=True)
class _Header:
    order: str  # of bytes, as numpy writes it; empty: text
    elements: tuple[Element, ...]
    end: int  # where the data start, in bytes
    lines: int

    @classmethod
    def of(cls, content: bytes) -> _Header:
        first = re.match(rb"ply[ \t]*(\r\n|\n|\r)", content)
        if first is None:
            raise ValueError(f"found {content[:10]!r}, expected a PLY file that starts with the line ply")
        last = re.compile(rb"(?:^|(?<=[\r\n]))end_header[ \t]*(?:" + re.escape(first[1]) + rb"|$)").search(content)
        if last is None:
            raise ValueError("cut short: found no line end_header, expected it behind the elements")
        lines = content[: last.start()].decode("utf-8", "surrogateescape").split(first[1].decode())
        order: str | None = None
        elements: list[Element] = []
        for number, line in enumerate(lines[1:], start=2):
            words = line.split()
            if not words or words[0] in ("comment", "obj_info"):
                continue
            try:
                if words[0] == "format":
                    order = _FORMATS[words[1]]
                elif words[0] == "element":
                    elements.append(Element(words[1], _count(words[2]), []))
                elif words[0] == "property" and elements:
                    elements[-1].properties.append(_property(words))
                else:
                    raise KeyError(words[0])
            except (KeyError, IndexError) as error:
                raise ValueError(f"line {number}: found {shown(line)}, expected a line of a PLY header") from error
        if order is None:
            raise ValueError("found no line format in the header, expected a PLY file")
        names = [element.name for element in elements]
        if len(set(names)) < len(names) or "vertex" not in names:
            raise ValueError(f"found the elements {shown(' '.join(names))}, expected vertex, each once")
        for element in elements:
            counts = Counter(each.name for each in element.properties)
            if counts and (most := counts.most_common(1)[0])[1] > 1:
                raise ValueError(
                    f"found the property {shown(most[0])} of {shown(element.name)} twice, expected it once"
                )
        return cls(order, tuple(elements), last.end(), len(lines))


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise KeyError(text)
    return int(text)


def _property(words: list[str]) -> Property:
    if words[1] != "list":
        return Property(words[2], _KINDS[words[1]])
    found = Property(words[4], _KINDS[words[3]], _KINDS[words[2]])
    if found.length in _FLOATS or (found.name in _CORNERS and found.kind in _FLOATS):
        raise KeyError(words[2])
    return found


class _TextBody:
    """Elements in text: a line for each row.

    Args:
        path: Path of the file.
        content: Content of the file.
        header: Header of it.
    """

    def __init__(self, path: Path, content: bytes, header: _Header) -> None:
        self._path = path
        content = content[header.end :]
        self._rows = text_rows(path, content, (), first=header.lines + 1) if content.strip() else []
        self._place = 0

    def start(self, element: Element) -> None:
        """Moves to the rows of an element."""
        self._first, self._place = self._place, self._place + (element.rows if element.properties else 0)
        if self._place > len(self._rows):
            found = f"found {len(self._rows) - self._first} lines of the element {shown(element.name)}"
            raise ValueError(f"cut short: {found}, expected {element.rows} as in the header")

    def skip(self, element: Element) -> None:
        """Passes an element over."""

    def numbers(self, element: Element) -> dict[str, np.ndarray]:
        """The properties that are no lists."""
        rows = self._of(element)
        if any(each.length for each in element.properties):
            rows = [self._without_lists(row, element) for row in rows]
        scalars = [each for each in element.properties if not each.length]
        self._check_width(rows, len(scalars))
        values = to_numbers(self._path, rows, 0, len(scalars))
        return {
            each.name: _whole(values[:, column], each) if each.kind[0] != "f" else values[:, column]
            for column, each in enumerate(scalars)
        }

    def triangles(self, element: Element, corners: Property) -> np.ndarray:
        """The triangles in a list of corners."""
        if len(element.properties) == 1:
            sizes = to_integers(self._path, self._of(element), 0, 1)[:, 0]
            _check_sizes(sizes)
            for row, size in zip(self._of(element), sizes.tolist(), strict=True):
                if len(row.fields) != 1 + size:
                    raise ValueError(f"line {row.line}: found {len(row.fields)} columns, expected {1 + size}")
            rows = [TextRow(row.line, row.fields[1:]) for row in self._of(element)]
        else:
            rows = [TextRow(row.line, self._lists(row, element)[corners.name]) for row in self._of(element)]
            sizes = np.array([len(row.fields) for row in rows], np.int64)
        _check_sizes(sizes)
        polygons = {
            size: to_integers(self._path, [rows[row] for row in of_size], 0, size)
            for size, of_size in rows_by_size(sizes)
        }
        return polygons_to_triangles(sizes, polygons)

    def check_end(self) -> None:
        """Refuses lines behind the last element."""
        if self._place < len(self._rows):
            row = self._rows[self._place]
            raise ValueError(f"line {row.line}: found {shown(' '.join(row.fields))} behind all rows of the header")

    def _of(self, element: Element) -> list[TextRow]:
        return self._rows[self._first : self._place] if element.properties else []

    def _check_width(self, rows: list[TextRow], width: int) -> None:
        for row in rows:
            if len(row.fields) != width:
                raise ValueError(f"line {row.line}: found {len(row.fields)} columns, expected {width}")

    def _lists(self, row: TextRow, element: Element) -> dict[str, list[str]]:
        """The fields of each property."""
        found, place = {}, 0
        for each in element.properties:
            size = 1
            if each.length:
                size = self._length(row, place)
                place += 1
            if not 0 <= size <= len(row.fields) - place:
                expected = f"{size} numbers of {shown(each.name)} in it"
                raise ValueError(f"line {row.line}: found {len(row.fields)} columns, expected {expected}")
            found[each.name] = row.fields[place : place + size]
            place += size
        self._check_width([row], place)
        return found

    def _length(self, row: TextRow, place: int) -> int:
        plain = place < len(row.fields) and _COUNT.fullmatch(row.fields[place])
        return int(row.fields[place]) if plain else int(to_integers(self._path, [row], place, place + 1)[0, 0])

    def _without_lists(self, row: TextRow, element: Element) -> TextRow:
        lists = {each.name for each in element.properties if each.length}
        found = self._lists(row, element).items()
        return TextRow(row.line, [field for name, fields in found if name not in lists for field in fields])


class _BinaryBody:
    """Elements in binary, row by row without gaps.

    Args:
        content: Content of the file.
        header: Header of it.
    """

    def __init__(self, content: bytes, header: _Header) -> None:
        self._content = content
        self._order = header.order
        self._place = header.end

    def start(self, element: Element) -> None:
        """Moves to the rows of an element."""

    def skip(self, element: Element) -> None:
        """Passes an element over."""
        if self._equal_rows(element) is None:
            self._walk(element)

    def numbers(self, element: Element) -> dict[str, np.ndarray]:
        """The properties that are no lists."""
        scalars = [each for each in element.properties if not each.length]
        rows = self._equal_rows(element)
        if rows is not None:
            return {each.name: rows[each.name][:, 0] for each in scalars}
        bounds = self._walk(element)
        return {each.name: self._gathered(bounds[each.name][0], 1, each)[:, 0] for each in scalars}

    def triangles(self, element: Element, corners: Property) -> np.ndarray:
        """The triangles in a list of corners."""
        rows = self._equal_rows(element)
        if rows is not None:
            found = rows[corners.name].astype(np.int64)
            sizes = np.full(len(found), found.shape[1])
            _check_sizes(sizes)
            return polygons_to_triangles(sizes, {found.shape[1]: found})
        starts, sizes = self._walk(element)[corners.name]
        _check_sizes(sizes)
        polygons = {
            size: self._gathered(starts[of_size], size, corners).astype(np.int64)
            for size, of_size in rows_by_size(sizes)
        }
        return polygons_to_triangles(sizes, polygons)

    def check_end(self) -> None:
        """Refuses bytes behind the last element."""
        if self._content[self._place :].strip(b"\0 \t\r\n"):
            left = len(self._content) - self._place
            raise ValueError(f"found {left} bytes behind all rows that the header announces, expected none")

    def _equal_rows(self, element: Element) -> dict[str, np.ndarray] | None:
        """Each property, (rows, numbers); None if lists have other lengths in other rows."""
        if not element.rows or not element.properties:
            return {each.name: np.zeros((0, 1)) for each in element.properties}
        fields: list[tuple[str, str, tuple[int]]] = []  # places stand for names, of which numpy does not take all
        size = 0
        for place, each in enumerate(element.properties):
            count = 1
            if each.length:
                kind = np.dtype(self._order + each.length)
                self._check_room(element, size + kind.itemsize)
                count = int(np.frombuffer(self._content, kind, 1, self._place + size)[0])
                if count < 0:
                    return None
                fields.append((f"count {place}", kind.str, (1,)))
                size += kind.itemsize
            fields.append((str(place), self._order + each.kind, (count,)))
            size += count * np.dtype(each.kind).itemsize
        if any(each.length for each in element.properties):
            if element.rows * size > len(self._content) - self._place:
                return None
        else:
            self._check_room(element, element.rows * size)
        rows = np.frombuffer(self._content, np.dtype(fields), element.rows, self._place)
        for name, _, _ in fields:
            if name.startswith("count") and (rows[name] != rows[name][0]).any():
                return None
        self._place += element.rows * size
        return {each.name: rows[str(place)] for place, each in enumerate(element.properties)}

    def _walk(self, element: Element) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Where each property starts in each row, in bytes, and how many numbers it has there."""
        least = sum(np.dtype(each.length or each.kind).itemsize for each in element.properties)
        self._check_room(element, element.rows * least)
        steps = [
            (each.length and struct.Struct(self._order + np.dtype(each.length).char), np.dtype(each.kind).itemsize)
            for each in element.properties
        ]
        bounds = np.empty((2, len(steps), element.rows), np.int64)
        content, place, end = self._content, self._place, len(self._content)
        for row in range(element.rows):
            for column, (counter, size) in enumerate(steps):
                count = 1
                if counter:
                    if place + counter.size > end:
                        self._check_room(element, end)
                    (count,) = counter.unpack_from(content, place)
                    place += counter.size
                    if count < 0:
                        raise ValueError(f"row {row + 1} of {shown(element.name)}: found a list of {count} numbers")
                bounds[:, column, row] = place, count
                place += count * size
                if place > end:
                    raise ValueError(f"cut short: the file ends in row {row + 1} of {shown(element.name)}")
        self._place = place
        return {each.name: (bounds[0, column], bounds[1, column]) for column, each in enumerate(element.properties)}

    def _gathered(self, starts: np.ndarray, count: int, property: Property) -> np.ndarray:
        """Numbers of a property, (rows, count), that start at these bytes."""
        dtype = np.dtype(self._order + property.kind)
        places = starts[:, None] + np.arange(count * dtype.itemsize)
        taken = np.frombuffer(self._content, np.uint8)[places]
        return np.ascontiguousarray(taken).view(dtype).reshape(len(starts), count)

    def _check_room(self, element: Element, needed: int) -> None:
        found = len(self._content) - self._place
        if needed > found:
            what = f"{element.rows} rows of the element {shown(element.name)} as in the header"
            raise ValueError(f"cut short: found {found} bytes, too few for {what}")


def _whole(values: np.ndarray, property: Property) -> np.ndarray:
    kind = np.iinfo(property.kind)
    if (wrong := (values != np.round(values)) | (values < kind.min) | (values > kind.max)).any():
        row = int(np.argmax(wrong))
        expected = f"whole numbers of the type {kind.dtype} as in the header"
        raise ValueError(f"{property.name}: row {row + 1} is {values[row]:g}, expected {expected}")
    return values.astype(property.kind)


def _check_sizes(sizes: np.ndarray) -> None:
    if (sizes < 3).any():
        row = int(np.argmax(sizes < 3))
        raise ValueError(f"face {row + 1} has {sizes[row]} corners, expected at least 3")
