"""The table that ends a comparison."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from sampleformer.compare.page import errors_words, size_words, trained, with_error
from sampleformer.compare.verdict import DIGITS
from sampleformer.explain.report import duration, score_name
from sampleformer.wording import count, number


def comparison_table(results: dict[str, Any]) -> Table:
    """Each model with its scores, times and size, the best on the test part first."""
    metric, rows = results["metric"], results["rows"]
    table = Table(
        title=f"{results['recipe']}: {results['task']}, {rows['train']:,} / {rows['valid']:,} / "
        f"{count(rows['test'], results['unit'])}",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("model")
    for heading in (f"test {score_name(metric)}", "validation", "time", "processor", "size"):
        table.add_column(heading, justify="right")
    for each in trained(results):
        table.add_row(
            each["title"],
            with_error(each, results),
            number(each["valid"][metric], DIGITS),
            duration(each["seconds"]),
            duration(each["cpu_seconds"]),
            size_words(each),
            style="bold" if each["role"] == "ours" else None,
        )
    return table


def comparison_lines(results: dict[str, Any]) -> list[str]:
    """What stands below the table: the verdict last."""
    left_out = [f"{each['title']}: {each['reason']}" for each in results["models"] if each.get("reason")]
    return [errors_words(results), *left_out, *results["verdict"]["notes"], "", results["verdict"]["sentence"]]
