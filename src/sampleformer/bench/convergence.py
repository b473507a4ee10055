"""The verb ``bench convergence``: how near sampled YOSO comes to its expectation, against the number of hashes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sampleformer.bench import console, options
from sampleformer.errors import InputError
from sampleformer.files import write_bytes
from sampleformer.output_paths import check_writable

if TYPE_CHECKING:
    from rich.table import Table

    from sampleformer.bench.convergence_measure import Convergence, ConvergenceSettings

HASHES = ",".join(str(2**power) for power in range(11))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``bench convergence`` to a parser."""
    add = parser.add_argument
    add("--hashes", default=HASHES, metavar="M,M", help="numbers of hashes (default: %(default)s)")
    add("--tokens", type=int, default=64, metavar="N", help="queries, and as many keys (default: %(default)s)")
    add("--head-width", type=int, default=32, metavar="E", help="of a head (default: %(default)s)")
    add("--code-length", type=int, default=9, metavar="T", help="bits of a code (default: %(default)s)")
    add("--repeats", type=int, default=16, metavar="R", help="sets of hashes for each number (default: %(default)s)")
    add("--draws", type=int, default=2000, metavar="D", help="sets of 16 hashes for the bias (default: %(default)s)")
    add("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    add("--json", default=None, metavar="FILE", help="write the results there; an existing file is replaced")
    add("--plot", default=None, metavar="FILE.png", help="draw them there; an existing file is replaced")


def run(arguments: argparse.Namespace) -> None:
    """Samples, prints the tables, and writes the files asked for.

    Raises:
        InputError: if an option cannot be; before anything is sampled.
    """
    from sampleformer.bench.convergence_measure import measure_convergence

    settings = _settings(arguments)
    for option, path in (("--json", settings.json), ("--plot", settings.plot)):
        if path is not None:
            check_writable(path, option)
    with console.progress() as watch:
        found = measure_convergence(settings, watch)
    console.show(_blocks(found))
    if settings.json is not None:
        write_bytes(settings.json, (json.dumps(_as_json(found), indent=2) + "\n").encode())
    if settings.plot is not None:
        from sampleformer.bench.convergence_plot import draw_convergence

        write_bytes(settings.plot, draw_convergence(found))


def _settings(given: argparse.Namespace) -> ConvergenceSettings:
    from sampleformer.bench.convergence_measure import ConvergenceSettings
    from sampleformer.functional.bernoulli.checks import LONGEST_CODE

    options.check_positive(given, "tokens", "head_width", "code_length", "repeats", "draws")
    options.check_at_most(given, "code_length", LONGEST_CODE)
    options.check_seed(given.seed)
    hashes = options.several_numbers("--hashes", given.hashes, of="hashes", largest=2**20)
    if len(hashes) < 2:
        raise InputError(f"--hashes: {given.hashes!r}, expected two numbers or more, to see how the error falls")
    if given.draws < 2:
        raise InputError(f"--draws: {given.draws}, expected at least 2, to know a standard error")
    return ConvergenceSettings(
        hashes=hashes,
        tokens=given.tokens,
        head_width=given.head_width,
        code_length=given.code_length,
        repeats=given.repeats,
        draws=given.draws,
        seed=given.seed,
        json=options.json_path(given.json),
        plot=options.png_path(given.plot),
    )


def _as_json(found: Convergence) -> dict[str, object]:
    settings = found.settings
    return {
        "tokens": settings.tokens,
        "head_width": settings.head_width,
        "code_length": settings.code_length,
        "repeats": settings.repeats,
        "seed": settings.seed,
        "errors": found.errors,
        "slopes": {record["planes"]: found.slope(record["planes"]) for record in found.biases},
        "biases": found.biases,
    }


def _blocks(found: Convergence) -> Iterator[Table | str]:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    def table(*headings: str) -> Table:
        empty = Table(box=SIMPLE_HEAD, pad_edge=False)
        for heading in headings:
            empty.add_column(heading, justify="right")
        return empty

    settings = found.settings
    kinds = [record["planes"] for record in found.biases]
    sizes = f"{settings.tokens} tokens, heads of {settings.head_width}, τ = {settings.code_length}, float64"
    yield f"YOSO before normalisation, against its expectation: {sizes}"
    yield f"Relative error, root mean square over entries and {settings.repeats} sets of hashes:"
    errors = table("hashes", *kinds)
    for hashes in settings.hashes:
        own = [f"{record['error']:.4f}" for record in found.errors if record["hashes"] == hashes]
        errors.add_row(str(hashes), *own)
    errors.add_section()
    errors.add_row("slope", *(f"{found.slope(planes):.3f}" for planes in kinds))
    yield errors
    yield "Mean of many draws minus the expectation: in standard errors, and what chance does not explain, relative:"
    headings = ("largest", "root mean\nsquare", "bias", "chance")
    biases = table("planes", "hashes", "draws", "entries", *headings)
    for record in found.biases:
        counts = (str(record[name]) for name in ("hashes", "draws", "entries"))
        z = (f"{record['largest_z']:.2f}", f"{record['rms_z']:.3f}")
        relative = (f"{record['relative_bias']:.4f}", f"{record['relative_chance']:.4f}")
        biases.add_row(record["planes"], *counts, *z, *relative)
    yield biases
