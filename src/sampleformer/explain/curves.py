"""Learning curves: loss, score and learning rate over the steps of a training."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sampleformer.errors import InputError
from sampleformer.explain.figures import BLUE, GREY, ORANGE, inline_svg, panels, style, write_png
from sampleformer.explain.html import escape
from sampleformer.wording import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Metrics:
    """The table of a run's metrics.

    Args:
        rows: one a line; an empty cell is left out.
    """

    rows: Sequence[dict[str, float]]

    @classmethod
    def read(cls, path: Path) -> Metrics:
        """Reads ``metrics.csv``.

        Raises:
            InputError: if the file is missing or a cell is no number.
        """
        rows = []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                for line, row in enumerate(csv.DictReader(file), start=2):
                    try:
                        rows.append({name: float(cell) for name, cell in row.items() if cell})
                    except (TypeError, ValueError) as error:
                        raise InputError(f"{path}, line {line}: expected numbers ({error})") from error
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such file, expected the metrics of a training") from error
        return cls(rows)

    def series(self, name: str) -> tuple[list[float], list[float]]:
        """Steps and values of one column, where it has values."""
        points = [(row["step"], row[name]) for row in self.rows if name in row and "step" in row]
        return [step for step, _ in points], [value for _, value in points]


@dataclass(frozen=True)
class Score:
    """A score of the validation part.

    Args:
        column: of the metrics.
        name: for people.
        best_step: of the weights that were kept.
        majority: what always naming the most frequent class gives; None: does not apply.
        chosen_by: what picked these weights, for people, if it was something else than this score.
    """

    column: str
    name: str
    best_step: int
    majority: float | None
    chosen_by: str = ""


def curves(metrics: Metrics, score: Score, picture: Path) -> str:
    """The curves as HTML, and as a PNG file.

    Args:
        metrics: of the run.
        score: shown beside the loss.
        picture: the PNG file to write.
    """
    draw: list[tuple[str, Callable[[Axes], None]]] = [
        ("Loss", lambda axes: _loss(axes, metrics)),
        (f"{score.name[:1].upper()}{score.name[1:]} (validation)", lambda axes: _score(axes, metrics, score)),
        ("Learning rate", lambda axes: _line(axes, metrics, "learning_rate", GREY)),
    ]
    drawings = []
    for place, (title, fill) in enumerate(draw):
        with style(f"curves {place}"):
            figure, (axes,) = panels()
            _fill(axes, title, fill)
            drawings.append(f"<figure>{inline_svg(figure, escape(f'{title} over steps'))}</figure>\n")
    with style("curves"):
        figure, all_axes = panels(len(draw))
        for axes, (title, fill) in zip(all_axes, draw, strict=True):
            _fill(axes, title, fill)
        write_png(figure, picture)
    return f"<div class='figures'>{''.join(drawings)}</div>\n"


def _fill(axes: Axes, title: str, fill: Callable[[Axes], None]) -> None:
    fill(axes)
    axes.set_title(title)
    axes.set_xlabel("step")
    axes.set_xlim(left=0)


def _line(axes: Axes, metrics: Metrics, column: str, colour: str, dashes: str = "-", label: str = "") -> None:
    steps, values = metrics.series(column)
    mark = "o" if len(steps) < 25 else ""
    axes.plot(steps, values, color=colour, linestyle=dashes, marker=mark, markersize=3.5, linewidth=1.5, label=label)


def _loss(axes: Axes, metrics: Metrics) -> None:
    _line(axes, metrics, "train_loss", GREY, "--", "training")
    _line(axes, metrics, "valid_loss", BLUE, "-", "validation")
    _legend(axes)


def _score(axes: Axes, metrics: Metrics, score: Score) -> None:
    _line(axes, metrics, score.column, BLUE)
    values = dict(zip(*metrics.series(score.column), strict=True))
    if score.best_step in values:
        best, chosen = values[score.best_step], f"kept by the {score.chosen_by}" if score.chosen_by else "best"
        label = f"{chosen}: {number(best)} at step {score.best_step:,}"
        axes.plot([score.best_step], [best], color=ORANGE, marker="D", linestyle="", markersize=7, label=label)
    if score.majority is not None:
        axes.axhline(score.majority, color=GREY, linestyle=":", label="always the most frequent class")
    _legend(axes)


def _legend(axes: Axes) -> None:
    """Names of the lines, below the axes, where they hide none."""
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.18))
