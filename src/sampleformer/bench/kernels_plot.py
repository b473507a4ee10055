"""The measured kernels as a picture."""

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from sampleformer.bench.kernels_measure import FORMS, KernelResults
from sampleformer.bench.style import GREY, MARKS, STYLES, as_png, grouped, new_figure, soften
from sampleformer.bench.table import TITLES


def draw_kernels(results: KernelResults) -> bytes:
    """A PNG picture: time against the length, a row for each kernel, a column for each pass and dtype.

    Args:
        results: with at least one record.
    """
    records = results.records
    kernels = list(dict.fromkeys(record["kernel"] for record in records))
    columns = list(dict.fromkeys((record["pass"], record["dtype"]) for record in records))
    figure = new_figure(1.0 + 4.2 * len(columns), 1.0 + 3.4 * len(kernels))
    where = ", ".join(f"{name} {found}" for name, found in results.machine.items())
    check = "; a check in the interpreter, whose times mean nothing" if results.interpreted else ""
    figure.suptitle(f"Kernels: {where}{check}", fontsize=10, color=GREY, x=0.01, ha="left")
    panels = figure.subplots(len(kernels), len(columns), squeeze=False)
    for row, kernel in zip(panels, kernels, strict=True):
        for panel, (direction, dtype) in zip(row, columns, strict=True):
            _draw_panel(panel, results, kernel, direction, dtype)
            panel.set_title(f"{kernel}: {TITLES[direction].partition(' (')[0]}, {dtype}", fontsize=10, loc="left")
        row[0].set_ylabel("time, ms")
    for panel in panels[-1]:
        panel.set_xlabel("tokens n")
    panels[0][0].legend(frameon=False, fontsize=9)
    return as_png(figure)


def _draw_panel(panel: Axes, results: KernelResults, kernel: str, direction: str, dtype: str) -> None:
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    own = [r for r in results.records if (r["kernel"], r["pass"], r["dtype"]) == (kernel, direction, dtype)]
    for form, (colour, marker) in zip(FORMS, STYLES, strict=False):
        points = [(record["n"], record["median_s"] * 1e3) for record in own if record["form"] == form]
        if points:
            panel.plot(*zip(*points, strict=True), color=colour, marker=marker, label=form, linewidth=2, **MARKS)
    floors = [(r["n"], r["floor_s"] * 1e3) for r in own if r["form"] == "kernel" and r["floor_s"] is not None]
    if floors:
        panel.plot(*zip(*floors, strict=True), color=GREY, label="the kernel's floor", linestyle=(0, (5, 2)))
    lengths = sorted({record["n"] for record in own})
    panel.set_xticks(lengths, [grouped(length) for length in lengths])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_locator(LogLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
    soften(panel)
