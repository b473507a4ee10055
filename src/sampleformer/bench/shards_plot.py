"""The cells of ``bench shards`` as a picture."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from sampleformer.bench.shards_table import title
from sampleformer.bench.style import GREY, MARKS, STYLES, as_png, grouped, new_figure, soften
from sampleformer.bench.table import TITLES


def draw_shards(records: Sequence[Mapping[str, Any]]) -> bytes:
    """A PNG picture: bytes sent by a rank against the number of tokens, one panel a pass.

    Args:
        records: At least one record, of `measure_shards`.
    """
    directions = [each for each in TITLES if any(record["pass"] == each for record in records)]
    figure = new_figure(1.6 + 5.2 * len(directions), 4.6)
    figure.suptitle(title(records), fontsize=10, color=GREY, x=0.01, ha="left")
    panels = figure.subplots(1, len(directions), squeeze=False, sharey=True)[0]
    for panel, direction in zip(panels, directions, strict=True):
        _draw_panel(panel, [record for record in records if record["pass"] == direction])
        panel.set_title(TITLES[direction], fontsize=12, loc="left", fontweight="bold")
        panel.set_xlabel("tokens n")
    panels[0].set_ylabel("MiB sent by a rank in a pass")
    return as_png(figure)


def _draw_panel(panel: Axes, records: Sequence[Mapping[str, Any]]) -> None:
    panel.set_xscale("log")
    panel.set_yscale("log")
    attentions = list(dict.fromkeys(record["attention"] for record in records))
    several = sorted({record["ranks"] for record in records})
    for (colour, marker), attention in zip(STYLES * len(attentions), attentions, strict=False):
        for dash, ranks in zip(("-", "--", ":", "-.") * len(several), several, strict=False):
            points = [
                (record["n"], record["bytes_sent"] / 2**20)
                for record in records
                if record["attention"] == attention and record["ranks"] == ranks and record["bytes_sent"]
            ]
            if not points:
                continue
            panel.plot(*zip(*sorted(points), strict=True), dash, color=colour, marker=marker, linewidth=2, **MARKS)
            panel.annotate(
                f"{attention}, {ranks} ranks",
                max(points),
                (8, 0),
                textcoords="offset points",
                color=colour,
                fontsize=9,
                fontweight="bold",
                verticalalignment="center",
                annotation_clip=False,
                path_effects=[withStroke(linewidth=3, foreground="white")],
            )
    lengths = sorted({record["n"] for record in records})
    panel.set_xticks(lengths, [grouped(length) for length in lengths], rotation=30)
    panel.xaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_locator(LogLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
    panel.yaxis.set_minor_locator(NullLocator())
    soften(panel)
