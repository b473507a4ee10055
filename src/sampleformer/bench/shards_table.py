"""The cells of ``bench shards`` as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from sampleformer.bench.table import digits


def title(records: Sequence[Mapping[str, Any]]) -> str:
    """What all cells have in common, in one line."""
    first = records[0]
    layers = "One layer" if first["layers"] == 1 else f"{first['layers']} layers"
    parts = [
        f"{layers}: width {first['width']}",
        f"{first['heads']} heads",
        f"k = {first['sampled']}",
        "" if first["checkpoint"] is None else f"checkpointed in blocks of {first['checkpoint']} tokens",
        f"{first['dtype']}, {first['device']}, torch {first['torch']}",
    ]
    return ", ".join(part for part in parts if part)


def shards_table(records: Sequence[Mapping[str, Any]]) -> Table:
    """One row a cell."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("pass", "ranks", "attention", "n", "bytes sent\nby a rank", "ms", "peak MiB\nof a rank", "threads"):
        table.add_column(heading, justify="left" if heading in ("pass", "attention") else "right")
    for record in records:
        table.add_row(
            record["pass"],
            str(record["ranks"]),
            record["attention"],
            str(record["n"]),
            f"{record['bytes_sent']:.0f}",
            digits(record["median_s"] * 1e3),
            digits(record["peak_bytes"] / 2**20),
            str(record["threads"]),
        )
    return table
