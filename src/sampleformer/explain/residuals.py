"""Predicted against true values, and what is between them."""

import numpy as np
from jaxtyping import Float

from sampleformer.explain.figures import BLUE, GREY, inline_svg, panels, style
from sampleformer.explain.html import escape, table
from sampleformer.wording import count, number

SHOWN = 6
"""Targets that get figures."""

_POINTS_DRAWN = 800


def residuals(
    columns: dict[str, tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]], units: str = "samples"
) -> str:
    """Figures and a table of the errors as HTML.

    Args:
        columns: true and predicted values by target, in its unit; NaN where the truth is not known.
        units: What the rows are for.
    """
    known = {name: _known(*pair) for name, pair in columns.items()}
    known = {name: pair for name, pair in known.items() if len(pair[0])}
    figures = "".join(
        _figures(name, *pair, place, units) for place, (name, pair) in enumerate(list(known.items())[:SHOWN])
    )
    note = (
        f"<p class='note'>Figures of the first {SHOWN} of {count(len(known), 'target')}.</p>\n"
        if len(known) > SHOWN
        else ""
    )
    head = ["target", units, "mean error", "median |error|", "90 % of |errors| below", "largest |error|"]
    return figures + note + table(head, [_row(name, *pair) for name, pair in known.items()])


def _known(true: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    there = ~(np.isnan(true) | np.isnan(predicted))
    return true[there], predicted[there]


def _row(name: str, true: np.ndarray, predicted: np.ndarray) -> list[str]:
    error = predicted - true
    size = np.abs(error)
    values = [error.mean(), np.median(size), np.quantile(size, 0.9), size.max()]
    return [escape(name), f"{len(true):,}", *(number(float(value)) for value in values)]


def _figures(name: str, true: np.ndarray, predicted: np.ndarray, place: int, units: str) -> str:
    many = len(true) > _POINTS_DRAWN  # as a picture inside the drawing: thousands of points would be a large page
    with style(f"residuals {place} a"):
        figure, (axes,) = panels()
        ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
        axes.plot(ends, ends, color=GREY, linestyle="--", linewidth=1, label="predicted = true")
        axes.scatter(true, predicted, s=12, alpha=0.5, color=BLUE, linewidths=0, rasterized=many)
        axes.set(title="Predicted against true", xlabel=f"true {_plain(name)}", ylabel="predicted")
        axes.legend(loc="upper left")
        first = inline_svg(figure, f"Predicted against true {escape(name)}")
    with style(f"residuals {place} b"):
        figure, (axes,) = panels()
        axes.hist(predicted - true, bins=min(40, max(5, len(true) // 8)), color=BLUE)
        axes.axvline(0, color=GREY, linestyle="--", linewidth=1)
        axes.set(title="Residuals", xlabel=f"predicted − true {_plain(name)}", ylabel=units)
        second = inline_svg(figure, f"Histogram of the residuals of {escape(name)}")
    return f"<div class='figures'><figure>{first}</figure><figure>{second}</figure></div>\n"


def _plain(name: str) -> str:
    """A name in which matplotlib sees no formula."""
    return name.replace("$", r"\$")
