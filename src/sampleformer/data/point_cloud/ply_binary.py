"""The data of a PLY file in binary."""

from __future__ import annotations

import struct

import numpy as np

from sampleformer.data.point_cloud.mesh import polygons_to_triangles, rows_by_size
from sampleformer.data.point_cloud.ply_header import Element, Header, Property, check_corners
from sampleformer.errors import shown


class BinaryBody:
    """Elements in binary, row by row without gaps.

    Args:
        content: Content of the file.
        header: Header of it.
    """

    def __init__(self, content: bytes, header: Header) -> None:
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
            check_corners(sizes)
            return polygons_to_triangles(sizes, {found.shape[1]: found})
        starts, sizes = self._walk(element)[corners.name]
        check_corners(sizes)
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
