"""The measured cells as tables and sentences."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from sampleformer.bench.crossover import crossover
from sampleformer.bench.records import Cell, Record, Results, cells

TITLES = {"forward": "Forward (evaluation)", "train": "Training step (forward and backward)"}
YARDSTICK = "full"
NOISY = 1.25


def tables(results: Results) -> Iterator[Table]:
    """One table for each pass."""
    for direction in TITLES:
        if cells(results.floors, direction):
            yield _table(results, direction)


def _table(results: Results, direction: str) -> Table:
    table = Table(title=TITLES[direction], title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("n", "attention"):
        table.add_column(heading, justify="right" if heading == "n" else "left")
    for heading in ("ms", "µs/token", "× as fast\nas full", "time ÷\nfloor", "peak MiB", "MiB per\n1k tokens"):
        table.add_column(heading, justify="right")
    for floor in cells(results.floors, direction):
        same = [record for record in cells(results.records, direction) if record["n"] == floor["n"]]
        full = next((record["median_s"] for record in same if record["attention"] == YARDSTICK), None)
        for number, record in enumerate([*same, floor]):
            table.add_row("" if number else str(record["n"]), *_row(record, full), end_section=record is floor)
    return table


def _row(record: Record, full: float | None) -> list[str]:
    tokens = record["batch"] * record["n"]
    peak = None if record["peak_bytes"] is None else record["peak_bytes"] / 2**20
    return [
        record["attention"],
        digits(record["median_s"] * 1e3),
        digits(record["median_s"] * 1e6 / tokens),
        "" if full is None or record["attention"] in (YARDSTICK, "floor") else f"{full / record['median_s']:.2f}",
        "" if record["attention"] == "floor" else f"{record['median_s'] / record['floor_s']:.2f}",
        "unknown" if peak is None else digits(peak),
        "unknown" if peak is None else digits(peak / tokens * 1000),
    ]


def settings_line(results: Results) -> str:
    """What all cells have in common, in one line."""
    record = [*results.records, *results.floors][0]
    sampled = next((other["sampled"] for other in results.records if other["sampled"] is not None), None)
    own = {other["attention"]: other["own"] for other in results.records}
    parts = [
        f"width {record['width']}",
        f"{record['heads']} heads",
        "" if sampled is None else f"k = {sampled}",
        *(f"{name}.{argument} = {value}" for name, given in own.items() for argument, value in given.items()),
    ]
    return ", ".join([*(part for part in parts if part), machine_line(record)])


def machine_line(cell: Cell) -> str:
    """Where and how a cell was measured."""
    threads = f"{cell['threads']} thread" + ("s" if cell["threads"] > 1 else "")
    return ", ".join([f"batch {cell['batch']}", cell["dtype"], cell["device"], threads, f"torch {cell['torch']}"])


def digits(value: float) -> str:
    """Three significant digits, without an exponent.

    Example:
        >>> digits(0.01234), digits(12.34), digits(12345.6)
        ('0.0123', '12.3', '12346')
    """
    if value <= 0:
        return "0"
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def crossovers(results: Results, direction: str) -> dict[str, tuple[float, list[int]]]:
    """For each attention that was measured beside full attention: the crossover, and the lengths that tell of it."""
    full = {record["n"]: record["median_s"] for record in cells(results.records, direction, YARDSTICK)}
    found = {}
    for name in dict.fromkeys(record["attention"] for record in cells(results.records, direction)):
        own = [record for record in cells(results.records, direction, name) if record["n"] in full]
        lengths = [record["n"] for record in own]
        if name != YARDSTICK and own:
            times = [record["median_s"] for record in own]
            found[name] = crossover(lengths, times, [full[length] for length in lengths]), lengths
    return found


def crossover_records(results: Results) -> list[dict[str, Any]]:
    """The crossovers as `attention.auto` reads them; the length is None if an attention is never faster."""
    records = []
    for direction in TITLES:
        for name, (length, _) in crossovers(results, direction).items():
            measured = next(iter(cells(results.records, direction, name)))
            how = {key: measured[key] for key in ("device", "dtype", "batch", "width", "heads", "sampled", "threads")}
            found = None if math.isinf(length) else round(length)
            records.append({"attention": name, "pass": direction, "length": found, **how})
    return records


def crossover_words(name: str, length: float, lengths: list[int]) -> str:
    """Where an attention begins to be faster than full attention, in words."""
    if length == 0:
        return f"{name} is faster than full at every length; the crossover lies below n = {lengths[0]}, the shortest"
    if math.isinf(length):
        return (
            f"{name} is not faster than full at n = {lengths[-1]}, the longest; the crossover lies above, if anywhere"
        )
    return f"{name} is faster than full from n ≈ {length:.0f} on"


def notes(results: Results) -> list[str]:
    """Sentences below the tables: crossovers, what was left out, and times that cannot be trusted."""
    sentences = [
        f"Crossover, {direction}: {crossover_words(name, length, lengths)}."
        for direction in TITLES
        for name, (length, lengths) in crossovers(results, direction).items()
    ]
    sentences += [f"{skipped}." for skipped in results.skipped]
    measured = [*results.records, *results.floors]
    return sentences + noise(
        [(f"{record['attention']} {record['pass']} n = {record['n']}", record) for record in measured]
    )


def noise(measured: Iterable[tuple[str, Cell]]) -> list[str]:
    """A sentence that names the cells whose times cannot be trusted, if there are any."""
    noisy = [name for name, cell in measured if cell["median_s"] > NOISY * cell["min_s"]]
    if not noisy:
        return []
    return [
        f"Noisy, half of the passes took {NOISY - 1:.0%} longer than the fastest or more: {'; '.join(noisy)}. "
        "Measure again on a quiet machine, or with more --repeats."
    ]
