"""The measured parts as tables and sentences."""

import itertools
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from sampleformer.bench.part import PARTS, Part
from sampleformer.bench.part_measure import PartResults
from sampleformer.bench.records import PartRecord
from sampleformer.bench.table import TITLES, digits, noise

NAMES = {"sampled": "k", "hashes": "m", "code_length": "τ"}


def part_tables(results: PartResults) -> Iterator[Table | str]:
    """For each part a line that says what it is, and a table for each pass."""
    for part, of_part in itertools.groupby(results.records, key=lambda record: record["part"]):
        records = list(of_part)
        yield _line(PARTS[part], records[0])
        for direction, of_pass in itertools.groupby(records, key=lambda record: record["pass"]):
            yield _table(PARTS[part].yardstick, TITLES[direction], list(of_pass))


def part_notes(results: PartResults) -> list[str]:
    """Sentences below the tables: what was left out, and times that cannot be trusted."""
    named = [(f"{record['form']} {record['pass']} n = {record['n']}", record) for record in results.records]
    return [*(f"{skipped}." for skipped in results.skipped), *noise(named)]


def _line(part: Part, record: PartRecord) -> str:
    sizes = [f"{record['heads']} heads of {record['head_width']}"]
    sizes += [f"{NAMES[name]} = {record[name]}" for name in part.sizes]  # type: ignore[literal-required]
    return f"{part.title}; {', '.join(sizes)}"


def _table(yardstick: str, title: str, records: Sequence[PartRecord]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("n", justify="right")
    table.add_column("form")
    for heading in ("ms", "µs/token", f"× as fast\nas {yardstick}", "peak MiB", "MiB per\n1k tokens"):
        table.add_column(heading, justify="right")
    table.add_column("× less peak\nmemory", justify="right")
    for length, group in itertools.groupby(records, key=lambda record: record["n"]):
        same = list(group)
        beside = next((record for record in same if record["form"] == yardstick), None)
        for number, record in enumerate(same):
            label = "" if number else str(length)
            table.add_row(label, *_row(record, beside), end_section=record is same[-1])
    return table


def _row(record: PartRecord, yardstick: PartRecord | None) -> list[str]:
    tokens = record["batch"] * record["n"]
    faster = leaner = ""
    if yardstick is not None and yardstick is not record:
        faster = f"{yardstick['median_s'] / record['median_s']:.2f}"
        if record["peak_bytes"] and yardstick["peak_bytes"]:
            leaner = f"{yardstick['peak_bytes'] / record['peak_bytes']:.2f}"
    peak = None if record["peak_bytes"] is None else record["peak_bytes"] / 2**20
    return [
        record["form"],
        digits(record["median_s"] * 1e3),
        digits(record["median_s"] * 1e6 / tokens),
        faster,
        "unknown" if peak is None else digits(peak),
        "unknown" if peak is None else digits(peak / tokens * 1000),
        leaner,
    ]
