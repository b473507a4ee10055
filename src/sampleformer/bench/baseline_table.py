"""The scores of baselines as a table."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from sampleformer.bench.table import digits


def baseline_table(results: dict[str, Any]) -> Table:
    """Scores on the test part with the state that was best on the validation part and with the last, and the costs."""
    title = f"{results['task']}, {results['samples']['test']} test samples, chosen by {_words(results['selected_by'])}"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("baseline", "score"):
        table.add_column(heading)
    for heading in ("test,\nbest", "test,\nlast", "validation,\nbest", "best\nstep", "steps", "seconds", "parameters"):
        table.add_column(heading, justify="right")
    for name, found in results["baselines"].items():
        best, last = found["best"], found["last"]
        names = list(best["test"])
        costs = [str(best["step"]), str(found["steps"]), digits(found["train_seconds"]), _count(found["parameters"])]
        for score in names:
            values = [best["test"][score], last["test"][score], best["valid"][score]]
            first = score == names[0]
            cells = [name if first else "", _words(score), *(f"{value:.4f}" for value in values)]
            table.add_row(*cells, *(costs if first else []), end_section=score == names[-1])
    return table


def baseline_notes(results: dict[str, Any]) -> list[str]:
    """Sentences below the table."""
    notes = [f"{name} sees {found['sees']}." for name, found in results["baselines"].items()]
    if "fingerprints" in results["baselines"]:
        notes.append("The steps of fingerprints are trees of each column or class; no limit of steps or time holds.")
    if results["majority_share"] is not None:
        notes.append(f"Always naming the most frequent class of the test part: {results['majority_share']:.4f}.")
    return notes


def _words(name: str) -> str:
    return name.replace("_", " ")


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"
