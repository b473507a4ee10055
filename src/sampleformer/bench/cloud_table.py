"""The measured models of point clouds as tables and sentences."""

import itertools
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from sampleformer.bench.cloud_measure import CloudResults
from sampleformer.bench.cloud_models import PEERS
from sampleformer.bench.records import CloudRecord
from sampleformer.bench.table import TITLES, digits, noise


def cloud_tables(results: CloudResults) -> Iterator[Table]:
    """One table for each pass."""
    for direction, records in itertools.groupby(results.records, key=lambda record: record["pass"]):
        yield _table(TITLES[direction], list(records))


def cloud_notes(results: CloudResults) -> list[str]:
    """Sentences below the tables: sizes, what was left out, and times that cannot be trusted."""
    named = [(f"{record['model']} {record['pass']} n = {record['n']}", record) for record in results.records]
    return [*_sizes(results.records), *(f"{skipped}." for skipped in results.skipped), *noise(named)]


def _sizes(records: Sequence[CloudRecord]) -> list[str]:
    ours = {record["model"]: record for record in records if record["layers"] is not None}
    return [
        f"{name}: layers {record['layers']}, width {record['width']}, heads {record['heads']}"
        + ("" if record["sampled"] is None else f", k = {record['sampled']}")
        + f", {record['neighbours']} neighbours, {'invariant' if record['invariant'] else 'not invariant'}."
        for name, record in ours.items()
    ]


def _table(title: str, records: Sequence[CloudRecord]) -> Table:
    peers = [peer for peer in PEERS if any(peer in record["ratios"] for record in records)]
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("points", justify="right")
    table.add_column("model")
    for heading in ("million\nparameters", "ms a batch", "clouds/s", *(f"× as many\nas {peer}" for peer in peers)):
        table.add_column(heading, justify="right")
    table.add_column("peak MiB", justify="right")
    for points, group in itertools.groupby(records, key=lambda record: record["n"]):
        same = list(group)
        for number, record in enumerate(same):
            label = "" if number else str(points)
            table.add_row(label, *_row(record, peers), end_section=record is same[-1])
    return table


def _row(record: CloudRecord, peers: Sequence[str]) -> list[str]:
    return [
        record["model"],
        digits(record["parameters"] / 1e6),
        digits(record["median_s"] * 1e3),
        digits(record["clouds_per_s"]),
        *(digits(record["ratios"][peer]) if peer in record["ratios"] else "" for peer in peers),
        "unknown" if record["peak_bytes"] is None else digits(record["peak_bytes"] / 2**20),
    ]
