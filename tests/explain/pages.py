"""What the tests ask of every page."""

import base64
import json
import re
import zlib
from html.parser import HTMLParser

import numpy as np

_VOID = {"meta", "link", "img", "br", "polyline"}
_LOADING = {"src", "href", "xlink:href", "action", "srcset", "data", "poster"}


class Page(HTMLParser):
    """A page taken apart.

    Args:
        text: the HTML.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.texts: list[str] = []  # each text with marks
        self.marks: list[tuple[str, str]] = []  # class and content of the marks in texts
        self.legend: list[tuple[str, str]] = []  # and of those outside
        self.drawings: list[dict[str, tuple[str, float]]] = []  # of each token, what is said and how dark its mark is
        self.kinds: list[str] = []  # class of each element
        self._level = ""
        self._data: list[tuple[str, str]] = []
        self._open: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert not any(name.startswith("on") for name in values), f"{tag} carries a script: {values}"
        self.addresses += [value or "" for name, value in attrs if name in _LOADING]
        kind = values.get("class") or ""
        self.kinds.append(kind)
        if (values.get("style") or "").startswith("--level:"):
            self._level = values["style"].removeprefix("--level:")
        if tag == "img":
            self.images.append(values)
        if kind == "map drawing":
            self.drawings.append({})
        if kind == "map text":
            self.texts.append("")
        if tag not in _VOID:
            self._open.append((tag, kind))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in _LOADING]
        self.kinds.append(dict(attrs).get("class") or "")

    def handle_endtag(self, tag: str) -> None:
        assert [name for name, _ in self._open[-1:]] == [tag], f"</{tag}> closes {self._open[-1:]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        tag, kind = self._open[-1] if self._open else ("", "")
        in_text = ("div", "map text") in self._open
        if in_text:
            self.texts[-1] += data
        if tag == "mark":
            (self.marks if in_text else self.legend).append((kind, data))
        if tag == "title" and self._level:
            name, _, fact = data.rpartition(": ")
            assert name not in self.drawings[-1], f"two tokens are called {name}"
            self.drawings[-1][name] = (fact, float(self._level))
            self._level = ""
        if tag == "script" and kind:
            self._data.append((kind, data))
        {"script": self.scripts, "style": self.styles}.get(tag, self.words).append(data)

    @property
    def text(self) -> str:
        """What a reader can read."""
        return "".join(self.words)

    @property
    def strengths(self) -> dict[str, tuple[str, float]]:
        """Of each token of the first drawing, what is said of it and how dark its mark is."""
        return self.drawings[0] if self.drawings else {}

    @property
    def choices(self) -> list[dict]:
        """The data for the page's script, one a sample that shows a choice."""
        return self._of("choices")

    @property
    def clouds(self) -> list[dict]:
        """The points for the page's script, one a cloud."""
        return self._of("points")

    def _of(self, kind: str) -> list[dict]:
        return [json.loads(data) for found, data in self._data if found == kind]

    def check_self_contained(self) -> None:
        """Nothing is loaded from anywhere else."""
        assert all(address.startswith(("data:", "#")) for address in self.addresses), self.addresses
        assert not any("url(" in re.sub(r"url\(#", "", style) or "@import" in style for style in self.styles)
        own = [script for script in self.scripts if not script.startswith("{")]
        for word in ("fetch(", "XMLHttp", "import(", "http", "innerHTML"):
            assert not any(word in script for script in own), word


def chosen_cells(encoded: str, cells: int) -> np.ndarray:
    """Which cells one head chose, from the page's data."""
    bits = np.unpackbits(np.frombuffer(base64.b64decode(encoded), np.uint8), bitorder="little")
    return bits[:cells].astype(bool)


def png_pixels(address: str) -> np.ndarray:
    """Red, green and blue of a PNG address as the pages write them: one data chunk, no filter."""
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    columns, rows = (int.from_bytes(data[start : start + 4], "big") for start in (16, 20))
    length = int.from_bytes(data[33:37], "big")
    lines = np.frombuffer(zlib.decompress(data[41 : 41 + length]), np.uint8).reshape(rows, 1 + 3 * columns)
    assert (lines[:, 0] == 0).all()
    return lines[:, 1:].reshape(rows, columns, 3)
