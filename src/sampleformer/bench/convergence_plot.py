"""Errors and biases of sampled YOSO as a picture."""

import math

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from sampleformer.bench.convergence_measure import PLANES, Convergence
from sampleformer.bench.style import GREY, MARKS, STYLES, as_png, grouped, new_figure, soften

_BANDWIDTH = 0.5  # standard errors that a bar of the histogram is wide
_FARTHEST = 6.0


def draw_convergence(found: Convergence) -> bytes:
    """A PNG picture: the error against m on the left, deviations of the mean from the expectation on the right."""
    figure = new_figure(11.4, 4.8)
    settings = found.settings
    figure.suptitle(
        f"YOSO before normalisation, against its expectation: {settings.tokens} tokens, "
        f"heads of {settings.head_width}, τ = {settings.code_length}",
        fontsize=10,
        color=GREY,
        x=0.01,
        ha="left",
    )
    left, right = figure.subplots(1, 2)
    _draw_errors(left, found)
    _draw_biases(right, found)
    return as_png(figure)


def _draw_errors(panel: Axes, found: Convergence) -> None:
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    for planes, (colour, marker) in zip(PLANES, STYLES, strict=False):
        own = [record for record in found.errors if record["planes"] == planes]
        hashes = [record["hashes"] for record in own]
        low, high = ([record[bound] for record in own] for bound in ("min_error", "max_error"))
        label = f"{planes.capitalize()} planes, slope {found.slope(planes):.3f}".replace("-", "\u2212")
        panel.fill_between(hashes, low, high, color=colour, alpha=0.15, linewidth=0)
        panel.plot(hashes, [record["error"] for record in own], color=colour, marker=marker, label=label, **MARKS)
    first = found.errors[0]
    hashes = sorted({record["hashes"] for record in found.errors})
    ideal = [first["error"] * math.sqrt(first["hashes"] / number) for number in hashes]
    panel.plot(hashes, ideal, color=GREY, linestyle=(0, (5, 2)), linewidth=1.2, zorder=1, label="slope −½")
    words = f"root mean square over entries and {found.settings.repeats} sets of hashes; band: single sets"
    _title(panel, "Error against the number of hashes", words)
    panel.set_xlabel("hashes m")
    panel.set_ylabel("relative error")
    panel.set_xticks(hashes, [grouped(number) for number in hashes])
    bottom, top = panel.get_ylim()
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0,) if top / bottom > 1000 else (1.0, 2.0, 5.0)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_minor_locator(NullLocator())
    soften(panel)
    panel.legend(frameon=False, fontsize=9)


def _draw_biases(panel: Axes, found: Convergence) -> None:
    farthest = max(_FARTHEST, *(record["largest_z"] for record in found.biases))
    bars = 2 * math.ceil(farthest / _BANDWIDTH)
    edges = [_BANDWIDTH * (number - bars / 2) for number in range(bars + 1)]
    for record, (colour, _) in zip(found.biases, STYLES, strict=False):
        label = f"{record['planes'].capitalize()} planes, root mean square {record['rms_z']:.2f}"
        weights = [1 / (record["entries"] * _BANDWIDTH)] * record["entries"]
        panel.hist(found.z[record["planes"]], edges, weights=weights, histtype="stepfilled", color=colour, alpha=0.3)
        panel.hist(
            found.z[record["planes"]], edges, weights=weights, histtype="step", color=colour, linewidth=1.8, label=label
        )
    places = [number / 20 for number in range(-80, 81)]
    normal = [math.exp(-(place**2) / 2) / math.sqrt(2 * math.pi) for place in places]
    panel.plot(places, normal, color=GREY, linestyle=(0, (5, 2)), linewidth=1.2, label="standard normal: no bias")
    for place in (-4, 4):
        panel.axvline(place, ymax=0.74, color=GREY, linestyle=":", linewidth=1)
    first = found.biases[0]
    _title(
        panel,
        "Bias of the mean",
        f"of {grouped(first['draws'])} draws of {first['hashes']} hashes, at each of {first['entries']} entries",
    )
    panel.set_xlabel("mean minus expectation, in standard errors")
    panel.set_ylabel("density of entries")
    panel.set_xlim(-farthest - _BANDWIDTH, farthest + _BANDWIDTH)
    panel.set_ylim(top=1.35 * panel.get_ylim()[1])  # room for the legend
    soften(panel)
    panel.legend(frameon=False, fontsize=9, loc="upper left")


def _title(panel: Axes, title: str, words: str) -> None:
    panel.set_title(title, fontsize=12, loc="left", fontweight="bold", pad=18)
    panel.text(0, 1.015, words, transform=panel.transAxes, fontsize=8.5, color=GREY)
