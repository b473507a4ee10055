"""Self-contained HTML: escaping, and the frame of a page."""

import html
import json
import re
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

# Signs that a page cannot hold, or that would be invisible in it, are shown by their control pictures.
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)}
_PICTURES |= {0x09: "⇥\t", 0x0A: "↵\n", 0x7F: "␡"}
_UNPRINTABLE = re.compile("[\ud800-\udfff\ufffe\uffff\x80-\x9f]")


def escape(value: object) -> str:
    """Text that shows as itself in HTML, inside an element or a quoted attribute.

    Example:
        >>> escape('<b title="x">')
        '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(_UNPRINTABLE.sub("\ufffd", str(value)), quote=True)


def visible(text: str) -> str:
    """Text in which line ends, tabs and control characters can be seen."""
    return _UNPRINTABLE.sub("\ufffd", text.translate(_PICTURES))


def inline_json(value: Any) -> str:
    """JSON that can stand inside a script element: no sign in it can end the element."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def table(head: list[str], rows: list[list[str]], caption: str = "", kind: str = "") -> str:
    """A table; head and cells are HTML, the first cell of each row is its heading. An empty head is left out."""
    top = "".join(f'<th scope="col">{cell}</th>' if cell else "<td></td>" for cell in head)
    top = f"<thead><tr>{top}</tr></thead>\n" if head else ""
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>\n"
        for row in rows
    )
    title = f"<caption>{caption}</caption>" if caption else ""
    frame = f'<table class="{kind}">' if kind else "<table>"
    return f'<div class="wide">{frame}{title}{top}<tbody>{body}</tbody></table></div>\n'


def details(title: str, body: str) -> str:
    """A part that opens on a click; title and body are HTML."""
    return f"<details><summary>{title}</summary>\n{body}</details>\n"


START = "showClouds(document);\nshowChoices(document);\n"
"""Script of a page whose samples are there from the start."""


def page(title: str, body: str, *, script: str = START, style: str = "") -> str:
    """A whole HTML document with its style and script inside.

    Args:
        title: plain text.
        body: HTML.
        script: What runs when the page is there, with the functions ``showClouds`` and ``showChoices``.
        style: Rules beside those of all pages.
    """
    frame = Template(_asset("page.html"))
    scripts = _asset("cloud.js") + _asset("page.js") + script
    return frame.substitute(title=escape(title), style=_asset("page.css") + style, body=body, script=scripts)


@cache
def _asset(name: str) -> str:
    return (files("sampleformer.explain") / "assets" / name).read_text(encoding="utf-8")
