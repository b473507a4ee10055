"""The data of a PLY file in text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.mesh import polygons_to_triangles, rows_by_size
from sampleformer.data.point_cloud.ply_header import COUNT, Element, Header, Property, check_corners
from sampleformer.data.point_cloud.text_rows import TextRow, text_rows, to_integers, to_numbers
from sampleformer.errors import shown


class TextBody:
    """Elements in text: a line for each row.

    Args:
        path: Path of the file.
        content: Content of the file.
        header: Header of it.
    """

    def __init__(self, path: Path, content: bytes, header: Header) -> None:
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
            check_corners(sizes)
            for row, size in zip(self._of(element), sizes.tolist(), strict=True):
                if len(row.fields) != 1 + size:
                    raise ValueError(f"line {row.line}: found {len(row.fields)} columns, expected {1 + size}")
            rows = [TextRow(row.line, row.fields[1:]) for row in self._of(element)]
        else:
            rows = [TextRow(row.line, self._lists(row, element)[corners.name]) for row in self._of(element)]
            sizes = np.array([len(row.fields) for row in rows], np.int64)
        check_corners(sizes)
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
        plain = place < len(row.fields) and COUNT.fullmatch(row.fields[place])
        return int(row.fields[place]) if plain else int(to_integers(self._path, [row], place, place + 1)[0, 0])

    def _without_lists(self, row: TextRow, element: Element) -> TextRow:
        lists = {each.name for each in element.properties if each.length}
        found = self._lists(row, element).items()
        return TextRow(row.line, [field for name, fields in found if name not in lists for field in fields])


def _whole(values: np.ndarray, property: Property) -> np.ndarray:
    kind = np.iinfo(property.kind)
    if (wrong := (values != np.round(values)) | (values < kind.min) | (values > kind.max)).any():
        row = int(np.argmax(wrong))
        expected = f"whole numbers of the type {kind.dtype} as in the header"
        raise ValueError(f"{property.name}: row {row + 1} is {values[row]:g}, expected {expected}")
    return values.astype(property.kind)
