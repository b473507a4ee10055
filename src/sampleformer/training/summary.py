"""Tables that end a verb."""

from typing import Any

import numpy as np
from rich.table import Table

from sampleformer.data.encoding import Encoding
from sampleformer.data.source import Splits
from sampleformer.training.outputs import known_targets
from sampleformer.training.run_folder import RunFolder

_LABELS_SHOWN = 20


def run_table(results: dict[str, Any]) -> Table:
    """Scores of the best and the last weights of a run, on the validation and the test part."""
    best, last = results["best"], results["last"]
    table = Table(title=f"{results['task']}, {results['samples']['test']} test samples")
    table.add_column("score")
    for title in (f"test, best weights (step {best['step']})", f"test, last (step {last['step']})", "validation, best"):
        table.add_column(title, justify="right")
    for name, value in best["test"].items():
        table.add_row(_words(name), _number(value), _number(last["test"][name]), _number(best["valid"][name]))
    return table


def run_lines(folder: RunFolder, results: dict[str, Any]) -> list[str]:
    """What else there is to say of a finished run."""
    name = results["selected_by"]
    line = f"test {_words(name)} {_number(results['best']['test'][name])}"
    if results["majority_share"] is not None:
        line += f" (always naming the most frequent class: {_number(results['majority_share'])})"
    minutes, seconds = divmod(round(results["train_seconds"]), 60)
    lines = [
        line,
        f"trained in {minutes} min {seconds} s, {results['parameters']:,} parameters",
        f"run:    {folder.path}",
    ]
    return [*lines, f"report: {folder.report}"] if folder.report.exists() else lines


def data_table(splits: Splits) -> Table:
    """What is in the parts of the data."""
    encoding = splits.encoding
    table = Table(title=f"{encoding.task}, {', '.join(f'{name} {size}' for name, size in encoding.inputs.items())}")
    parts = {"training": splits.train, "validation": splits.valid, "test": splits.test}
    table.add_column("")
    for name in parts:
        table.add_column(name, justify="right")
    table.add_row("samples", *(f"{len(samples):,}" for samples in parts.values()))
    for name, value in (("fewest", np.min), ("median", np.median), ("most", np.max)):
        table.add_row(f"tokens, {name}", *(f"{value(samples.lengths):,.0f}" for samples in parts.values()))
    for row in _target_rows(encoding, [known_targets(samples) for samples in parts.values()]):
        table.add_row(*row)
    return table


def _target_rows(encoding: Encoding, parts: list[np.ndarray]) -> list[list[str]]:
    """How often each class or label occurs, or the mean of each target."""
    rows = []
    for place, label in enumerate(encoding.labels[:_LABELS_SHOWN]):
        if encoding.task == "classification":
            rows.append([f"class {label}", *(f"{(targets == place).sum():,}" for targets in parts)])
        elif encoding.task == "multilabel":
            rows.append([f"label {label}", *(f"{np.nansum(targets[:, place]):,.0f}" for targets in parts)])
        else:
            values = [encoding.predictions(targets)[label] for targets in parts]
            rows.append([f"mean of {label}", *(_number(float(np.nanmean(column))) for column in values)])
    left_out = len(encoding.labels) - len(rows)
    return [*rows, [f"{left_out} more", *("" for _ in parts)]] if left_out else rows


def evaluation_table(evaluation: dict[str, Any]) -> Table:
    """Scores of one evaluation."""
    table = Table(title=f"{evaluation['task']}, {evaluation['samples']} samples")
    table.add_column("score")
    table.add_column("value", justify="right")
    for name, value in evaluation["scores"].items():
        table.add_row(_words(name), _number(value))
    if evaluation["majority_share"] is not None:
        table.add_row("share of the most frequent class", _number(evaluation["majority_share"]))
    return table


def _words(name: str) -> str:
    return name.replace("_", " ")


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"
