"""The measured kernels as tables and sentences."""

import itertools
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from sampleformer.bench.kernel_cases import KERNEL_CASES
from sampleformer.bench.kernels_measure import KernelRecord, KernelResults
from sampleformer.bench.table import TITLES, digits, noise

WORDS = {"memory": "bandwidth", "matrix": "tensor cores", "vector": "vector units"}


def kernel_blocks(results: KernelResults) -> Iterator[Table | str]:
    """A line that says where; the ceilings; for each kernel what it is and a table for each dtype and pass; notes."""
    yield f"Kernels: {', '.join(f'{name} {found}' for name, found in results.machine.items())}"
    if results.interpreted:
        yield "Run in Triton's interpreter: a check. None of the times below says anything about a GPU."
    ceilings = results.ceilings
    products = "; ".join(f"{dtype} {digits(rate / 1e12)} TFLOP/s" for dtype, rate in sorted(ceilings.matrix.items()))
    yield f"Ceilings, measured: a copy {digits(ceilings.bytes / 1e9)} GB/s; products of matrices, {products}"
    for kernel, of_kernel in itertools.groupby(results.records, key=lambda record: record["kernel"]):
        records = list(of_kernel)
        first = records[0]
        sizes = f"{first['heads']} heads of {first['head_width']}, k = {first['sampled']}, batch {first['batch']}"
        yield f"{kernel}: {KERNEL_CASES[kernel].title}; {sizes}"
        for _, group in itertools.groupby(records, key=lambda record: (record["dtype"], record["pass"])):
            yield _table(list(group))
    yield from _agreements(results)
    yield from (f"{skipped}." for skipped in results.skipped)
    if not results.interpreted:
        named = [(f"{r['kernel']} {r['form']} {r['dtype']} {r['pass']} n = {r['n']}", r) for r in results.records]
        yield from noise(named)


def _table(records: Sequence[KernelRecord]) -> Table:
    title = f"{TITLES[records[0]['pass']]}, {records[0]['dtype']}"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("n", justify="right")
    table.add_column("form")
    for heading in ("ms", "× as fast\nas plain", "× as fast\nas flash", "peak MiB", "share of\nthe ceiling"):
        table.add_column(heading, justify="right")
    table.add_column("ceiling")
    for length, group in itertools.groupby(records, key=lambda record: record["n"]):
        same = list(group)
        for number, record in enumerate(same):
            table.add_row("" if number else str(length), *_row(record), end_section=record is same[-1])
    return table


def _row(record: KernelRecord) -> list[str]:
    ratios, share, bound, peak = record["ratios"], record["share"], record["bound"], record["peak_bytes"]
    return [
        record["form"],
        digits(record["median_s"] * 1e3),
        *(f"{ratios[other]:.2f}" if other in ratios else "" for other in ("plain", "flash")),
        "unknown" if peak is None else digits(peak / 2**20),
        "" if share is None else f"{share:.1%}",
        "" if bound is None else WORDS[bound],
    ]


def _agreements(results: KernelResults) -> Iterator[str]:
    for found in results.agreements:
        gradients = "" if found["gradients"] is None else f", gradients {found['gradients']:.1e}"
        place = f"{found['kernel']}, {found['dtype']}, n = {found['n']}"
        yield f"Largest difference from the plain twin, relative: {place}: result {found['result']:.1e}{gradients}."
