"""The study of estimators as a picture."""

from __future__ import annotations

from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from sampleformer.bench.estimator_file import StudyFile
from sampleformer.bench.estimator_settings import EstimatorSettings
from sampleformer.bench.estimator_variants import ADDITIONS, FULL, Variant, estimators_of
from sampleformer.bench.seeds import Mean
from sampleformer.bench.style import GREY, MARKS, STYLES, as_png, grouped, new_figure, soften

_STYLES = (*STYLES, ("#D55E00", "s"))
_DASHES = tuple((0, each) for each in ((5, 2), (1, 1.5), (5, 1.5, 1, 1.5), (8, 2), (2, 1), (8, 2, 2, 2), (1, 4)))
_LINES: dict[str | None, Any] = {None: "-"} | dict(zip(ADDITIONS, _DASHES, strict=True))


def draw_study(settings: EstimatorSettings, found: StudyFile) -> bytes:
    """A PNG picture: a row of panels for each part that was asked for.

    Bias: bias against spread. Task: accuracy against the number of tokens, and against steps at each number. Recipe:
    accuracy of each variant.
    """
    curves = settings.lengths if "task" in settings.parts else ()
    first = [part for part in settings.parts if part != "task"] + (["task"] if curves else [])
    columns = max(len(first), len(curves))
    figure = new_figure(4.6 * columns + 2.2, 4.4 * (2 if curves else 1))
    panels = figure.subplots(2 if curves else 1, columns, squeeze=False)
    draw = {"bias": _draw_bias, "recipe": _draw_recipe, "task": _draw_lengths}
    for panel, part in zip(panels[0], first, strict=False):
        draw[part](panel, settings, found)
    for panel, length in zip(panels[-1] if curves else (), curves, strict=False):
        _draw_curves(panel, settings, found, length)
    for panel in panels.flat:
        if not panel.has_data():
            panel.set_visible(False)
    labelled: dict[str, Artist] = {}
    for panel in panels.flat:
        labelled |= {label: handle for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    figure.legend(list(labelled.values()), list(labelled), loc="outside right upper", frameon=False, fontsize=9)
    return as_png(figure)


def _style(settings: EstimatorSettings, variant: Variant) -> dict[str, Any]:
    """The colour and marker of the estimator, the line of the schedule; full attention is grey."""
    if variant.name == FULL:
        return {"color": GREY, "marker": "p", "linestyle": (0, (2, 2))}
    number = estimators_of(settings.variants).index(variant.choice or "")
    colour, marker = _STYLES[number % len(_STYLES)]
    return {"color": colour, "marker": marker, "linestyle": _LINES[variant.addition]}


def _draw_bias(panel: Axes, settings: EstimatorSettings, found: StudyFile) -> None:
    for name in estimators_of(settings.variants):
        cells = found.asked("bias", estimator=[name], draws=[settings.draws], seed=range(settings.seeds))
        sizes = sorted({(cell["n"], cell["k"]) for cell in cells})
        groups = [[cell for cell in cells if (cell["n"], cell["k"]) == size] for size in sizes]
        spread = [Mean.of([cell["spread"] for cell in group]).mean for group in groups]
        bias = [Mean.of([cell["exact"]["bias"] for cell in group]).mean for group in groups]
        style = _style(settings, Variant.read(name)) | {"linestyle": "none"}
        panel.plot(spread, bias, label=name, **style, **MARKS)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.axhline(1, color=GREY, linestyle=":", linewidth=1)
    _title(
        panel,
        "Bias and spread of the gradient",
        "by enumeration, relative to the exact gradient; dotted: zero is as near",
    )
    panel.set_xlabel("standard deviation of one draw")
    panel.set_ylabel("bias")
    _plain_numbers(panel)
    soften(panel)


def _draw_lengths(panel: Axes, settings: EstimatorSettings, found: StudyFile) -> None:
    for place, variant in enumerate(settings.variants):
        aside = 2 ** (0.03 * (place - (len(settings.variants) - 1) / 2))  # so that bars do not hide each other
        means = []
        for length in settings.lengths:
            cells = found.asked(
                "task", variant=[variant.name], n=[length], steps=[settings.steps], seed=range(settings.seeds)
            )
            means.append(Mean.of([cell["curve"][-1]["accuracy"] for cell in cells]))
        panel.errorbar(
            [length * aside for length in settings.lengths],
            [mean.mean for mean in means],
            yerr=[mean.error for mean in means],
            label=variant.name,
            capsize=2,
            elinewidth=1,
            **_style(settings, variant),
            **MARKS,
        )
    panel.set_xscale("log", base=2)
    panel.set_xticks(settings.lengths, [grouped(length) for length in settings.lengths])
    panel.xaxis.set_minor_locator(NullLocator())
    _title(
        panel,
        "Needles: accuracy against tokens",
        f"after {settings.steps} steps, ± standard error of {settings.seeds} seeds",
    )
    panel.set_xlabel("tokens n")
    _accuracy(panel)


def _draw_curves(panel: Axes, settings: EstimatorSettings, found: StudyFile, length: int) -> None:
    for variant in settings.variants:
        cells = found.asked(
            "task", variant=[variant.name], n=[length], steps=[settings.steps], seed=range(settings.seeds)
        )
        steps = [point["step"] for point in cells[0]["curve"]]
        means = [Mean.of([cell["curve"][number]["accuracy"] for cell in cells]).mean for number in range(len(steps))]
        style = _style(settings, variant) | {"marker": None}
        panel.plot(steps, means, linewidth=1.6, **style)
    _title(panel, f"n = {grouped(length)}", "accuracy against steps, mean over seeds")
    panel.set_xlabel("step")
    _accuracy(panel)


def _draw_recipe(panel: Axes, settings: EstimatorSettings, found: StudyFile) -> None:
    names = [variant.name for variant in settings.variants]
    for place, variant in enumerate(settings.variants):
        cells = found.asked(
            "recipe",
            variant=[variant.name],
            recipe=[settings.recipe],
            sampled=[settings.recipe_sampled],
            steps=[settings.recipe_steps],
            seed=range(settings.seeds),
        )
        mean = Mean.of([cell["best"] for cell in cells])
        style = _style(settings, variant) | {"linestyle": "none"}
        panel.plot([cell["best"] for cell in cells], [place] * len(cells), "|", color=GREY, alpha=0.6, markersize=8)
        panel.errorbar(mean.mean, place, xerr=mean.error, capsize=3, **style, **MARKS)
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    _title(
        panel,
        f"{settings.recipe}, k = {settings.recipe_sampled}",
        "test, best on validation; mean ± standard error, bars: seeds",
    )
    panel.set_xlabel(cells[0]["score"].replace("_", " "))
    soften(panel)


def _accuracy(panel: Axes) -> None:
    panel.set_ylabel("test accuracy")
    panel.set_ylim(0, 1.03)
    soften(panel)


def _plain_numbers(panel: Axes) -> None:
    for axis, (low, high) in ((panel.xaxis, panel.get_xlim()), (panel.yaxis, panel.get_ylim())):
        axis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 1000 else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
        axis.set_minor_locator(NullLocator())


def _title(panel: Axes, title: str, words: str) -> None:
    panel.set_title(title, fontsize=12, loc="left", fontweight="bold", pad=18)
    panel.text(0, 1.015, words, transform=panel.transAxes, fontsize=8.5, color=GREY)
