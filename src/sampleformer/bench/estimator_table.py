"""The study of estimators as tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from sampleformer.bench.estimator_bias import SIZES
from sampleformer.bench.estimator_file import StudyFile
from sampleformer.bench.estimator_settings import EstimatorSettings
from sampleformer.bench.estimator_variants import YARDSTICK, estimators_of
from sampleformer.bench.seeds import Mean
from sampleformer.bench.table import digits

BEYOND = 2.0
MARK, NO_MARK = " ▲", "  "
LEARNED = 0.9
"""Accuracy from which on the controlled task counts as learned."""


def study_blocks(settings: EstimatorSettings, found: StudyFile) -> Iterator[Table | str]:
    """What to print: for each part a line and its tables, then what the mark means."""
    parts = {"bias": _bias, "task": _task, "recipe": _recipe}
    for part in settings.parts:
        yield from parts[part](settings, found)
    yield (
        f"Means over {settings.seeds} seeds ± their standard errors.{MARK}: better than {YARDSTICK} by more than "
        f"{BEYOND:g} standard errors of the difference."
    )


def _bias(settings: EstimatorSettings, found: StudyFile) -> Iterator[Table | str]:
    names = estimators_of(settings.variants)
    yield (
        "Gradient of the scores against the exact one by enumeration, relative to its length; chance: what the bias of "
        "an unbiased estimator would be; spread: standard deviation of one draw"
    )
    for n, k in SIZES:
        table = _table(
            f"n = {n}, k = {k}, {settings.draws} draws",
            "estimator",
            ("bias", "chance", "cosine", "spread", "bias, own\nloss", "training −\nevaluation"),
        )
        table.add_column("training sees")
        same = {"n": n, "k": k, "draws": settings.draws}
        all_cells = {name: _cells_of_seeds(settings, found, "bias", estimator=name, **same) for name in names}
        biases = {name: Mean.of([cell["exact"]["bias"] for cell in cells]) for name, cells in all_cells.items()}
        for name, cells in all_cells.items():
            own = "" if _plain(cells) else str(Mean.of([cell["own"]["bias"] for cell in cells]))
            gaps = [(cell["noisy_loss"] - cell["evaluation_loss"]) / cell["loss_spread"] for cell in cells]
            numbers = [
                f"{biases[name]}{_mark(biases, name, better=-1)}",
                digits(Mean.of([cell["exact"]["chance"] for cell in cells]).mean),
                str(Mean.of([cell["exact"]["cosine"] for cell in cells])),
                digits(Mean.of([cell["spread"] for cell in cells]).mean),
                own,
                f"{Mean.of(gaps).mean:+.2f}",
            ]
            table.add_row(name, *numbers, cells[0]["forward"])
        yield table
    yield (
        "Own loss: of what training sees, where that is not the chosen tokens as they are. Training − evaluation: mean "
        "loss with noise minus that of the k best, in standard deviations of the loss over subsets."
    )


def _task(settings: EstimatorSettings, found: StudyFile) -> Iterator[Table | str]:
    yield "Needles: test accuracy after the last step, by the k best without noise"
    for length in settings.lengths:
        table = _table(
            f"n = {length}, {settings.steps} steps",
            "variant",
            ("accuracy", "least", "found", "with noise −\nwithout", f"step of\n{LEARNED:g}", "seconds"),
        )
        all_cells = {
            variant.name: _cells_of_seeds(settings, found, "task", variant=variant.name, n=length, steps=settings.steps)
            for variant in settings.variants
        }
        accuracies = {
            name: Mean.of([cell["curve"][-1]["accuracy"] for cell in cells]) for name, cells in all_cells.items()
        }
        for name, cells in all_cells.items():
            last = [cell["curve"][-1] for cell in cells]
            table.add_row(
                name,
                f"{accuracies[name]}{_mark(accuracies, name)}",
                f"{min(point['accuracy'] for point in last):.3f}",
                f"{Mean.of([point['found'] for point in last]).mean:.2f}",
                f"{Mean.of([point['noisy_accuracy'] - point['accuracy'] for point in last]).mean:+.3f}",
                _learned(cells),
                digits(Mean.of([cell["seconds"] for cell in cells]).mean),
            )
        yield table
    yield (
        "Least: of all seeds. Found: share of the informative tokens that some head chose. Step: median over seeds of "
        "the first check at which the task counts as learned."
    )


def _recipe(settings: EstimatorSettings, found: StudyFile) -> Iterator[Table | str]:
    same = {"recipe": settings.recipe, "sampled": settings.recipe_sampled, "steps": settings.recipe_steps}
    all_cells = {
        variant.name: _cells_of_seeds(settings, found, "recipe", variant=variant.name, **same)
        for variant in settings.variants
    }
    best, last = (
        {name: Mean.of([cell[state] for cell in cells]) for name, cells in all_cells.items()}
        for state in ("best", "last")
    )
    table = _table(
        f"{settings.recipe}, k = {settings.recipe_sampled}, {settings.recipe_steps} steps, no window",
        "variant",
        ("test, best on\nvalidation", "test, last", "seconds"),
    )
    for name, cells in all_cells.items():
        numbers = [f"{means[name]}{_mark(means, name)}" for means in (best, last)]
        table.add_row(name, *numbers, digits(Mean.of([cell["seconds"] for cell in cells]).mean))
    yield f"A packaged recipe: {cells[0]['score'].replace('_', ' ')} on the test part"
    yield table


def _cells_of_seeds(
    settings: EstimatorSettings, found: StudyFile, part: str, **values: Any
) -> Sequence[dict[str, Any]]:
    return found.asked(part, **{name: [value] for name, value in values.items()}, seed=range(settings.seeds))


def _mark(means: dict[str, Mean], name: str, better: int = 1) -> str:
    """The mark of what is better than the yardstick; ``better`` is the sign of that."""
    if YARDSTICK not in means:
        return ""
    return MARK if better * means[name].beyond(means[YARDSTICK]) > BEYOND else NO_MARK


def _plain(cells: Sequence[dict[str, Any]]) -> bool:
    return all(cell["own"] == cell["exact"] for cell in cells)


def _learned(cells: Sequence[dict[str, Any]]) -> str:
    firsts = [
        min((point["step"] for point in cell["curve"] if point["accuracy"] >= LEARNED), default=math.inf)
        for cell in cells
    ]
    middle = median(firsts)
    return "" if math.isinf(middle) else f"{middle:.0f}"


def _table(title: str, first: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table
