"""Tables that end a verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sampleformer.training.run_folder import RunFolder
from sampleformer.wording import count, number

if TYPE_CHECKING:
    from rich.table import Table

_LABELS_SHOWN = 20


def main_score(results: dict[str, Any]) -> str:
    """The score of the test part to name first.

    That is the one that picked the weights; if that was the loss, which only the validation part has, the task's own.

    Example:
        >>> main_score({"selected_by": "loss", "best": {"test": {"accuracy": 0.9, "f1": 0.8}}})
        'accuracy'
    """
    scores = results["best"]["test"]
    return results["selected_by"] if results["selected_by"] in scores else next(iter(scores))


def run_table(results: dict[str, Any]) -> Table:
    """Scores of the best and the last weights of a run, on the validation and the test part."""
    best, last = results["best"], results["last"]
    judged = results["judged"]
    from rich.table import Table

    table = Table(title=f"{results['task']}, {count(judged['test'], 'test ' + judged['unit'])}")
    table.add_column("score")
    for title in (f"test, best weights (step {best['step']})", f"test, last (step {last['step']})", "validation, best"):
        table.add_column(title, justify="right")
    for name, value in best["test"].items():
        table.add_row(_words(name), number(value), number(last["test"][name]), number(best["valid"][name]))
    return table


def run_lines(folder: RunFolder, results: dict[str, Any]) -> list[str]:
    """What else there is to say of a finished run."""
    name = main_score(results)
    line = f"test {_words(name)} {number(results['best']['test'][name])}"
    if results["majority_share"] is not None:
        of_what = "" if name == "accuracy" else "accuracy of "
        line += f" ({of_what}always naming the most frequent class: {number(results['majority_share'])})"
    minutes, seconds = divmod(round(results["train_seconds"]), 60)
    lines = [
        line,
        f"trained in {minutes} min {seconds} s, {results['parameters']:,} parameters",
        f"run:    {folder.path}",
    ]
    lines[1:1] = part_lines(results, name)
    return [*lines, f"report: {folder.report}"] if folder.report.exists() else lines


def part_lines(results: dict[str, Any], score: str) -> list[str]:
    """What each model of a blend gives alone, in one line; none where there is no blend."""
    each = [f"{part['name']} {number(part['test'][score])} (factor {part['factor']:.2f})" for part in results["parts"]]
    return [f"alone:  {', '.join(each)}"] if each else []


def evaluation_table(evaluation: dict[str, Any]) -> Table:
    """Scores of one evaluation."""
    from rich.table import Table

    table = Table(title=f"{evaluation['task']}, {count(evaluation['judged'], evaluation['unit'])}")
    table.add_column("score")
    table.add_column("value", justify="right")
    for name, value in evaluation["scores"].items():
        table.add_row(_words(name), number(value))
    if evaluation["majority_share"] is not None:
        table.add_row("always the most frequent class", number(evaluation["majority_share"]))
    return table


def _words(name: str) -> str:
    return name.replace("_", " ")
