"""The rows of the study as a picture."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from sampleformer.bench.style import GREY, MARKS, STYLES, as_png, new_figure, soften

SCORE, COST = STYLES[0], STYLES[3]
NAMES = {"local": "none:\nlocal alone", "full": "all"}


def draw(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A PNG picture: score and price of a step against the size of the sample, one column a set.

    Args:
        rows: At least one row of the study.
    """
    names = list(dict.fromkeys(row["set"] for row in rows))
    figure = new_figure(0.8 + 4.2 * len(names), 6.2)
    panels = figure.subplots(2, len(names), squeeze=False, sharex="col")
    for (above, below), name in zip(panels.T, names, strict=True):
        of_set = [row for row in rows if row["set"] == name]
        minutes, metric = of_set[0]["minutes"], of_set[0]["metric"]
        above.set_title(f"{name}, {minutes:g} CPU-minutes", fontsize=12, loc="left", fontweight="bold")
        _draw(above, of_set, "test", *SCORE)
        above.set_ylabel(f"test {metric.replace('_', ' ')}")
        _draw(below, of_set, "step_ms", *COST)
        below.set_ylim(bottom=0)
        below.set_ylabel("CPU-ms a step")
        below.set_xlabel("tokens that each head attends to")
    return as_png(figure)


def _draw(panel: Axes, rows: Sequence[Mapping[str, Any]], name: str, colour: str, marker: str) -> None:
    """One number of each variant: its mean over the seeds as a line, each seed as a point."""
    variants = sorted({row["variant"] for row in rows}, key=_order)
    places = range(len(variants))
    found = [[row[name] for row in rows if row["variant"] == variant] for variant in variants]
    panel.plot(places, [sum(each) / len(each) for each in found], "-", color=colour, linewidth=2)
    for place, each in zip(places, found, strict=True):
        panel.plot([place] * len(each), each, marker, color=colour, linestyle="none", **MARKS)
    panel.xaxis.set_major_locator(FixedLocator(list(places)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xticklabels([NAMES.get(each, each) for each in variants])
    panel.set_xlim(-0.4, len(variants) - 0.6)
    panel.margins(y=0.15)
    panel.tick_params(axis="x", colors=GREY)
    soften(panel)


def _order(variant: str) -> float:
    return float({"local": 0, "full": "inf"}.get(variant, variant))
