"""Files with a JSON object on each line."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sampleformer.errors import InputError, one_line, shown
from sampleformer.tables.fields import Fields, UnreadableRows, clean_name, up_to
from sampleformer.tables.text import TextFile
from sampleformer.wording import count

logger = logging.getLogger("sampleformer")

_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")


def read_json_lines(text: TextFile, wrong: UnreadableRows, most: int | None) -> Iterator[Fields]:
    """A file with a JSON object on each line, in pieces; a name that a line lacks is None there.

    Half a surrogate pair, which is no character, becomes U+FFFD.

    Args:
        text: File.
        wrong: Report of rows that cannot be read.
        most: Largest number of rows in a piece. None: all.

    Yields:
        Pieces with the names that occur anywhere in the file, which is read twice for them if it is read in pieces; one
        at least, which has no rows if the file has none.

    Raises:
        InputError: if a row cannot be read.
    """
    if text.head.lstrip("\ufeff \t\r\n").startswith("[") and not text.head.lstrip("\ufeff \t\r\n").startswith("[]"):
        raise InputError(
            f"{text.path}: found a JSON array, expected an object on each line; pandas writes it with "
            "to_json(path, orient='records', lines=True)"
        )
    names = None if most is None else _names(_Objects(text, UnreadableRows(text.path, "skip")))
    objects = _Objects(text, wrong)
    first = True
    while True:
        found = up_to(objects, most, lambda each: each.size)
        if found or first:
            columns = _Columns(_names(found) if names is None else names, [each.values for each in found])
            yield Fields(columns, [each.row for each in found], [each.line for each in found])
        first = False
        if most is None or not found:
            break
    wrong.log()
    objects.log()


def _names(objects: Iterable[_Object]) -> list[str]:
    """All names that occur, in the order of their first use."""
    return list(dict.fromkeys(name for each in objects for name in each.values))


class _Columns(Mapping[str, list[Any]]):
    """Columns that are made when they are looked up: objects of different names have few values and many columns."""

    def __init__(self, names: list[str], objects: list[dict[str, Any]]) -> None:
        self._names = dict.fromkeys(names)
        self._objects = objects
        self._made: dict[str, list[Any]] = {}

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self._made:
            if name not in self._names:
                raise KeyError(name)
            self._made[name] = [values.get(name) for values in self._objects]
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _Object(NamedTuple):
    """Values of a row by name, its number, its line, and the characters of the line."""

    row: int
    line: int
    values: dict[str, Any]
    size: int


class _Objects:
    """The objects of a file, one after the other."""

    def __init__(self, text: TextFile, wrong: UnreadableRows) -> None:
        self._text = text
        self._wrong = wrong
        self._lines = enumerate(text.lines(), start=1)
        self._row = 0
        self._halves = 0
        self._first_half = ""

    def __iter__(self) -> Iterator[_Object]:
        return self

    def __next__(self) -> _Object:
        for line, text in self._lines:
            if not text.strip():
                continue
            self._row += 1
            found = self._parse(text.removeprefix("\ufeff"), f"row {self._row} (line {line})")
            if found is not None:
                return _Object(self._row, line, found, len(text))
        raise StopIteration

    def log(self) -> None:
        """Logs one line about characters that are none."""
        if self._halves:
            logger.warning(
                "%s: found half a surrogate pair (an emoji cut in two) in %s, read as U+FFFD; the first: %s",
                self._text.path,
                count(self._halves, "value"),
                self._first_half,
            )

    def _parse(self, text: str, place: str) -> dict[str, Any] | None:
        found = self._values(text, place)
        if isinstance(found, str):
            self._wrong.add(place, found)
            return None
        return found

    def _values(self, text: str, place: str) -> dict[str, Any] | str:
        """The values of a line by name, or what is wrong with it."""
        if (broken := self._text.broken(text)) is not None:
            return broken
        try:
            pairs = json.loads(text, object_pairs_hook=_Pairs)
        except json.JSONDecodeError as error:
            return f"not valid JSON ({error.msg} at character {error.pos + 1})"
        except (ValueError, RecursionError) as error:  # a number of too many digits; brackets nested too deeply
            return f"JSON that cannot be read ({one_line(str(error), 200)})"
        if not isinstance(pairs, _Pairs):
            return f'found JSON that is no object: {shown(text.strip()[:40])}, expected {{"column": value, …}}'
        if _ESCAPED.search(text):
            pairs = _Pairs((self._whole(name, place), self._whole(value, place)) for name, value in pairs)
        found = {clean_name(name): _without_pairs(value) for name, value in pairs}
        return found if len(found) == len(pairs) else "a name occurs twice in the object, expected different names"

    def _whole(self, value: Any, place: str) -> Any:
        if not isinstance(value, str) or not _HALF.search(value):
            return value
        self._halves += 1
        self._first_half = self._first_half or place
        return _HALF.sub("\ufffd", value)


class _Pairs(list[tuple[str, Any]]):
    """Names and values of a JSON object, in which a name may occur twice."""


def _without_pairs(value: Any) -> Any:
    """An object inside another as a dict, of which nothing but its kind is used."""
    return dict(value) if isinstance(value, _Pairs) else value
