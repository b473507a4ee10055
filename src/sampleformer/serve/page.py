"""The page on which a model is tried."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from sampleformer.errors import listed
from sampleformer.explain.html import escape, inline_json
from sampleformer.explain.html import page as whole_page

_KINDS = {
    "text": ("A text", "Paste a text."),
    "smiles": ("A molecule", "Paste a molecule as SMILES, such as CCO."),
    "numbers": ("A row of numbers", "Numbers between commas."),
    "pixels": ("An image", "Whole numbers between commas, row by row."),
    "cloud": ("A point cloud", "Points: x y z on a line each, or [[x, y, z], …]."),
    "graph": ("A graph", '{"x": [[…], …], "edge_index": [[…], […]]}'),
}
_SCRIPT_START, _SCRIPT_END = "<script>", "</script>"


def page(about: Mapping[str, Any]) -> str:
    """The page as HTML, which needs nothing beside it.

    Args:
        about: What ``GET /health`` says of the model.

    Example:
        >>> about = {"samples": "smiles", "task": "classification", "labels": ["a", "b"], "columns": ["smiles"]}
        >>> about |= {"described_by": [], "files": [".csv"], "layout": None, "explains": True}
        >>> "A molecule" in page(about)
        True
    """
    return whole_page("Try the model", _body(about), script=_asset("try.js"), style=_asset("try.css"))


def policy(text: str) -> str:
    """The policy with which a browser runs the script of a page and no other, and loads nothing from elsewhere.

    Args:
        text: Page as HTML.
    """
    start = text.rindex(_SCRIPT_START) + len(_SCRIPT_START)
    digest = hashlib.sha256(text[start : text.index(_SCRIPT_END, start)].encode("utf-8")).digest()
    rules = {
        "default-src": "'none'",
        "script-src": f"'sha256-{base64.b64encode(digest).decode('ascii')}'",
        "style-src": "'unsafe-inline'",  # bars and marks have widths and shades of their own
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _body(about: Mapping[str, Any]) -> str:
    kind = str(about["samples"])
    title, hint = _KINDS.get(kind, ("A sample", "A sample as JSON."))
    answers = f"{escape(about['task'])} ({escape(listed(about['labels']))})"
    return (
        f"<h1>Try the model</h1>\n<p class='lead'>Input: {title[0].lower() + title[1:]}. Output: {answers}.</p>\n"
        f'<form id="form">\n<label for="sample">{title}{_order(about, kind)}</label>\n'
        f'<textarea id="sample" rows="{5 if kind in ("text", "cloud", "graph") else 3}" placeholder="{escape(hint)}" '
        'spellcheck="false" autofocus></textarea>\n'
        f'{_fields(about)}<div class="acts"><button id="predict">Predict</button>{_explain(about)}</div>\n'
        f"{_files(about)}</form>\n"
        '<p id="error" role="alert"></p>\n<div id="answers" aria-live="polite"></div>\n'
        f'<script type="application/json" id="about">{inline_json(dict(about))}</script>\n'
    )


def _order(about: Mapping[str, Any], kind: str) -> str:
    """The columns, where their order matters."""
    if kind != "numbers":
        return ""
    return f" ({escape(listed(about['columns']))})"


def _fields(about: Mapping[str, Any]) -> str:
    """A field for each column that describes a sample beside its tokens."""
    fields = "".join(
        f'<label>{escape(name)} <input class="described" name="{escape(name)}" autocomplete="off"></label>\n'
        for name in about["described_by"]
    )
    return f'<div class="fields">\n{fields}</div>\n' if fields else ""


def _files(about: Mapping[str, Any]) -> str:
    """The place where a file is dropped or chosen."""
    suffixes = list(about["files"])
    image = about["layout"] is not None
    if not suffixes and not image:
        return ""
    accepted = [*suffixes, *(["image/*"] if image else [])]
    what = "Drop a file here, or choose one" + (": a picture, or a table" if image else "")
    ink = (
        '<label id="ink"><input type="checkbox" id="inverted"> dark ink on light paper</label>\n'
        '<canvas id="picture" hidden></canvas>\n'
    )
    return (
        f'<div id="drop"><label>{what} <input type="file" id="file" accept="{escape(",".join(accepted))}"></label>\n'
        f'<p class="note">{escape(", ".join(accepted))}</p>\n{ink if image else ""}</div>\n'
    )


def _explain(about: Mapping[str, Any]) -> str:
    if not about["explains"]:
        return ""
    return '<label><input type="checkbox" id="explain" checked> show what the model chose</label>'


@cache
def _asset(name: str) -> str:
    return (files("sampleformer.serve") / "assets" / name).read_text(encoding="utf-8")
