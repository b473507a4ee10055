"""The measured cells as a picture."""

import itertools
import math
import textwrap
from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from sampleformer.bench.records import Record, Results, cells
from sampleformer.bench.style import GREY, MARKS, STYLES, as_png, grouped, new_figure, soften
from sampleformer.bench.table import TITLES, YARDSTICK, crossover_words, crossovers, settings_line

_FULL, _FLOOR = ("#D55E00", "s"), "#767676"
_LINE_OF_TEXT = 12.0  # points

_Quantity = Literal["median_s", "peak_bytes"]


def draw(results: Results) -> bytes:
    """A PNG picture: time above, memory below, one column for each pass, the crossover marked.

    Args:
        results: with at least one record.
    """
    directions = [direction for direction in TITLES if cells(results.records, direction)]
    rows = 2 if any(record["peak_bytes"] is not None for record in results.records) else 1
    figure = new_figure(1.0 + 5.2 * len(directions), 1.1 + 3.7 * rows)
    settings = textwrap.fill(f"One layer: {settings_line(results)}", 72 * len(directions))
    figure.suptitle(settings, fontsize=10, color=GREY, x=0.01, ha="left")
    panels = figure.subplots(rows, len(directions), squeeze=False)
    labels = []
    for column, direction in enumerate(directions):
        time = panels[0][column]
        labels.append((time, _draw_panel(time, results, direction, "median_s", 1e3)))
        _mark_crossovers(time, results, direction)
        if rows == 2:
            memory = panels[1][column]
            labels.append((memory, _draw_panel(memory, results, direction, "peak_bytes", 2**-20)))
    for row, name in zip(panels, ("time, ms", "peak memory, MiB"), strict=False):
        row[0].set_ylabel(name)
    for panel in panels[-1]:
        panel.set_xlabel("tokens n")
    figure.canvas.draw()  # only now do the axes have their places, and with them the labels
    for panel, annotations in labels:
        _spread(panel, annotations)
    return as_png(figure)


def _draw_panel(panel: Axes, results: Results, direction: str, quantity: _Quantity, scale: float) -> list[Annotation]:
    """Draws one quantity of every attention and of the floor; returns the labels at the ends of the lines."""
    panel.set_xscale("log")
    panel.set_yscale("log")
    others = iter(STYLES * len(results.records))
    lines = {
        name: (cells(results.records, direction, name), *(_FULL if name == YARDSTICK else next(others)))
        for name in dict.fromkeys(record["attention"] for record in results.records)
    }
    floors = cells(results.floors, direction)
    lines["token-wise floor"] = floors, _FLOOR, "."
    labels = []
    for name, (records, colour, marker) in lines.items():
        points = _points(records, quantity, scale)
        if not points:
            continue
        dashes = {"linestyle": (0, (5, 2)), "linewidth": 1.5} if records is floors else {"linewidth": 2}
        panel.plot(*zip(*points, strict=True), color=colour, marker=marker, **MARKS, **dashes)
        ends_early = points[-1][0] < floors[-1]["n"]
        label = _label(panel, name, points[-1], colour, ends_early)
        if not ends_early:
            labels.append(label)
    _dress(panel, [record["n"] for record in floors])
    return labels


def _points(records: Sequence[Record], quantity: _Quantity, scale: float) -> list[tuple[int, float]]:
    values = [(record["n"], record[quantity]) for record in records]
    return [(length, value * scale) for length, value in values if value is not None]


def _label(panel: Axes, text: str, end: tuple[int, float], colour: str, ends_early: bool) -> Annotation:
    """The name of a line: right of its end, or above it if other lines go on there."""
    return panel.annotate(
        text,
        end,
        (-7, 7) if ends_early else (8, 0),
        textcoords="offset points",
        color=colour,
        fontsize=9.5,
        fontweight="bold",
        horizontalalignment="right" if ends_early else "left",
        verticalalignment="center",
        annotation_clip=False,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )


def _dress(panel: Axes, lengths: list[int]) -> None:
    shown = lengths[-1:]
    for length in reversed(lengths):
        if math.log(shown[-1] / length) > math.log(lengths[-1] / lengths[0]) / 9:
            shown.append(length)
    panel.set_xticks(shown, [grouped(length) for length in shown])
    panel.xaxis.set_minor_locator(NullLocator())
    low, high = panel.get_ylim()
    # With less than two decades, powers of ten alone would leave the axis almost without numbers.
    steps = (1.0,) if high / low > 1000 else (1.0, 2.0, 5.0)
    panel.yaxis.set_major_locator(LogLocator(subs=steps))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
    panel.yaxis.set_minor_locator(NullLocator())
    soften(panel)


def _mark_crossovers(panel: Axes, results: Results, direction: str) -> None:
    """The panel's title, below it where each attention begins to win, and a mark at that place."""
    found = crossovers(results, direction)
    # What stands after a semicolon is for the page: the panel has not the room.
    words = [crossover_words(name, length, lengths).partition(";")[0] for name, (length, lengths) in found.items()]
    panel.set_title(
        TITLES[direction], fontsize=12, loc="left", fontweight="bold", pad=6 + _LINE_OF_TEXT * max(1, len(words))
    )
    panel.text(0, 1.015, "\n".join(words), transform=panel.transAxes, fontsize=8.5, color=GREY)
    full = cells(results.records, direction, YARDSTICK)
    bottom, top = panel.get_ylim()
    panel.set_ylim(bottom, top)  # from here on fixed
    inside = sorted(length for length, lengths in found.values() if lengths[0] <= length <= lengths[-1])
    for number, length in enumerate(inside):
        height = _between([(record["n"], record["median_s"] * 1e3) for record in full], length)
        panel.plot([length, length], [bottom, height], color=GREY, linestyle=":", linewidth=1.2, zorder=1)
        panel.plot([length], [height], marker="o", markersize=10, markerfacecolor="none", markeredgecolor=GREY)
        panel.annotate(
            f"n ≈ {grouped(round(length))}",
            (length, 0.02 + 0.06 * number),  # above each other, since they may be close
            (5, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=9,
            color=GREY,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )


def _between(points: Sequence[tuple[int, float]], length: float) -> float:
    """The value at a length, on the straight lines that log-log axes show."""
    for (start, low), (end, high) in itertools.pairwise(points):
        if start <= length <= end:
            share = math.log(length / start) / math.log(end / start)
            return math.exp(math.log(low) + share * math.log(high / low))
    return points[-1][1]


def _spread(panel: Axes, labels: Sequence[Annotation]) -> None:
    """Moves labels that would cover each other apart, and keeps them in their order."""
    points = panel.figure.dpi / 72
    places = sorted((panel.transData.transform(label.xy)[1] / points, number) for number, label in enumerate(labels))
    heights = [place for place, _ in places]
    for _ in range(50):
        for lower in range(len(heights) - 1):
            overlap = _LINE_OF_TEXT - (heights[lower + 1] - heights[lower])
            if overlap > 0.01:
                heights[lower] -= overlap / 2
                heights[lower + 1] += overlap / 2
    for height, (place, number) in zip(heights, places, strict=True):
        labels[number].set_position((8, height - place))
