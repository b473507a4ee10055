"""Matplotlib figures as SVG inside a page, and as PNG files; the same input gives the same bytes."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sampleformer.extras import require
from sampleformer.files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#1c4f8a", "#b45309", "#57606a"
"""Colours that differ in lightness too; lines differ in their dashes as well."""

_SIZE = 4.4, 3.1  # inches, of one panel
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # words stay words: they can be found, copied and read aloud
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e7eb",
    "axes.edgecolor": GREY,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "legend.frameon": False,
}
_NOT_DATED = {"Date": None, "Creator": None, "Format": None, "Type": None}


def panels(number: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of some panels beside each other; call it, and draw, inside `style`."""
    # Here, so that a page without figures does not wait for it.
    figure: Figure = require("matplotlib.figure", "train").Figure(
        figsize=(_SIZE[0] * number, _SIZE[1]), layout="constrained"
    )
    return figure, [figure.add_subplot(1, number, place + 1) for place in range(number)]


def style(name: str) -> AbstractContextManager[None]:
    """The house's style; the name keeps the marks inside two figures of one page apart."""
    context: AbstractContextManager[None] = require("matplotlib", "train").rc_context(_STYLE | {"svg.hashsalt": name})
    return context


def inline_svg(figure: Figure, words: str) -> str:
    """A figure as SVG to stand in HTML.

    Args:
        figure: drawn inside `style`.
        words: what it shows, for those who do not see it; plain text without quotes.
    """
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=_NOT_DATED)
    drawing = text.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r' xmlns(:xlink)?="[^"]*"', "", drawing)  # HTML knows them
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', drawing))
    drawing = re.sub(r' id="([^"]+)"', lambda found: found.group(0) if found.group(1) in used else "", drawing)
    return drawing.replace("<svg ", f'<svg role="img" aria-label="{words}" ', 1)


def write_png(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG; the file appears whole or not at all."""
    with written_whole(path) as part:
        figure.savefig(part, format="png", dpi=120, metadata={"Software": None})
