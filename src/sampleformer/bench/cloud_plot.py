"""The measured models of point clouds as a picture."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from sampleformer.bench.cloud_models import PEERS
from sampleformer.bench.records import CloudRecord
from sampleformer.bench.style import GREY, STYLES, as_png, grouped, new_figure, soften
from sampleformer.bench.table import TITLES, digits, machine_line

_OURS, _PEER = STYLES[0][0], "#B0B0B0"


def draw_clouds(records: Sequence[CloudRecord]) -> bytes:
    """A PNG picture: clouds a second as bars, a column of panels for each pass and a row for each number of points.

    Args:
        records: at least one.
    """
    directions = [direction for direction in TITLES if any(record["pass"] == direction for record in records)]
    numbers = sorted({record["n"] for record in records})
    names = list(dict.fromkeys(record["model"] for record in records))
    figure = new_figure(1.0 + 5.2 * len(directions), 0.9 + (0.9 + 0.36 * len(names)) * len(numbers))
    figure.suptitle(f"Point clouds: {machine_line(records[0])}", fontsize=10, color=GREY, x=0.01, ha="left")
    panels = figure.subplots(len(numbers), len(directions), squeeze=False)
    for row, points in zip(panels, numbers, strict=True):
        for panel, direction in zip(row, directions, strict=True):
            own = [record for record in records if record["n"] == points and record["pass"] == direction]
            panel.set_title(
                f"{TITLES[direction]}, {grouped(points)} points", fontsize=11, loc="left", fontweight="bold"
            )
            _draw_panel(panel, own, names)
    for panel in panels[-1]:
        panel.set_xlabel("clouds a second")
    return as_png(figure)


def _draw_panel(panel: Axes, records: Sequence[CloudRecord], names: Sequence[str]) -> None:
    """A bar for each model that was measured here; in grey the peers."""
    places = {name: len(names) - 1 - place for place, name in enumerate(names)}  # the first on top
    for record in records:
        height, value = places[record["model"]], record["clouds_per_s"]
        panel.barh(height, value, height=0.65, color=_PEER if record["model"] in PEERS else _OURS)
        text = f"{digits(value)} ({digits(record['parameters'] / 1e6)} M)"
        panel.annotate(text, (value, height), (4, 0), textcoords="offset points", fontsize=8.5, color=GREY, va="center")
    panel.set_yticks(list(places.values()), list(places))
    panel.set_ylim(-0.6, len(names) - 0.4)
    panel.margins(x=0.3)  # for the words behind the bars
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
    soften(panel)
