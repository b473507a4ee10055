"""How the benchmarks' pictures look."""

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Okabe and Ito's colours, which colour-blind eyes tell apart; the markers say the same again, for print in grey.
STYLES = (("#0072B2", "o"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P"), ("#000000", "X"))
GREY = "#4D4D4D"
MARKS: dict[str, Any] = {"markersize": 6, "markeredgecolor": "white", "markeredgewidth": 0.7}


def new_figure(width: float, height: float) -> Figure:
    """An empty picture, in inches, that needs no window."""
    figure = Figure(figsize=(width, height), dpi=150, layout=ConstrainedLayoutEngine(h_pad=0.12, hspace=0.04))
    FigureCanvasAgg(figure)
    return figure


def as_png(figure: Figure) -> bytes:
    """The picture's file."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def soften(panel: Axes) -> None:
    """A light grid behind the data, no box around it."""
    panel.grid(color="#E3E3E3", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(colors=GREY, labelsize=9)


def grouped(value: float) -> str:
    """A number with its thousands apart."""
    return f"{value:,.9g}".replace(",", "\u2009")
