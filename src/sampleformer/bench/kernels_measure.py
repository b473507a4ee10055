"""Times and memory of kernels beside their plain twins and full attention."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F

from sampleformer.bench.kernel_cases import KERNEL_CASES, KernelCase, KernelSizes, KernelWork, Operations
from sampleformer.bench.kernels_agreement import Agreement, agreement
from sampleformer.bench.kernels_ceilings import Ceilings, measure_ceilings
from sampleformer.bench.kernels_settings import KernelSettings
from sampleformer.bench.records import Cell
from sampleformer.bench.timing import Pass
from sampleformer.bench.turns import Turns

FORMS = ("kernel", "plain", "flash")


class KernelRecord(Cell):
    """A cell of one form of a kernel: ``kernel``, ``plain`` or ``flash``, full attention over all n tokens.

    ``floor_s`` is the time that the form's operations would take at the ceiling that binds it, ``bound``, and ``share``
    that time over the measured one; None of plain forms, whose operations are torch's.
    """

    kernel: str
    form: str
    heads: int
    head_width: int
    sampled: int
    floor_s: float | None
    bound: str | None
    share: float | None
    ratios: dict[str, float]


@dataclass
class KernelResults:
    """All measured cells, in the order of kernel, dtype, pass, length and form.

    Args:
        machine: what was measured on.
        ceilings: of that machine.
        interpreted: whether it was a check, whose times mean nothing.
        agreements: of kernels and twins, at the shortest length.
        records: of every form.
        skipped: what was left out and why, in words.
    """

    machine: dict[str, str]
    ceilings: Ceilings
    interpreted: bool
    agreements: list[Agreement] = field(default_factory=list)
    records: list[KernelRecord] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """All of it, as it is written."""
        return dataclasses.asdict(self)


def measure_kernels(settings: KernelSettings, watch: Callable[[str], None] = lambda doing: None) -> KernelResults:
    """Measures the ceilings, then every kernel in every dtype, pass and length.

    Args:
        settings: what to measure.
        watch: told what is being done; never while the clock runs.
    """
    watch("a copy and products of matrices")
    ceilings = measure_ceilings(settings.dtypes, settings.device)
    results = KernelResults(machine(settings.device), ceilings, settings.interpret)
    for name in settings.kernels:
        for dtype in settings.dtypes:
            _measure_case(name, dataclasses.replace(settings, dtype=dtype), results, watch)
    return results


def machine(device: str) -> dict[str, str]:
    """Names and versions that times depend on."""
    import triton

    gpu = torch.cuda.get_device_name() if device == "cuda" else "none, interpreted"
    return {"gpu": gpu, "torch": str(torch.__version__), "triton": str(triton.__version__)}


def _measure_case(name: str, settings: KernelSettings, results: KernelResults, watch: Callable[[str], None]) -> None:
    case, place = KERNEL_CASES[name], f"{name}, {settings.dtype}"
    watch(f"{place}: whether it agrees with its plain twin")

    @functools.lru_cache(maxsize=1)  # both forms get the same
    def work(length: int) -> KernelWork:
        return case.work(_sizes(settings, length))

    if case.exact:
        shortest, trains = settings.lengths[0], case.trains and "train" in settings.passes
        results.agreements.append(agreement(name, settings.dtype, shortest, work(shortest), trains=trains))
    passes = settings.passes if case.trains else tuple(each for each in settings.passes if each != "train")
    turns = Turns(dataclasses.replace(settings, passes=passes), lambda doing: watch(f"{place}, {doing}"))
    candidates = {form: functools.partial(_make, work, form, settings) for form in FORMS}
    for cells in turns.measure(settings.lengths, candidates):
        for form, cell in cells.items():
            done = _operations(case, form, settings, cell["n"], cell["pass"])
            results.records.append(_record(name, form, settings, cell, cells, done, results.ceilings))
    results.skipped += [f"{place}: {skipped}" for skipped in turns.skipped]


def _sizes(settings: KernelSettings, length: int) -> KernelSizes:
    dtype = getattr(torch, settings.dtype)
    given = (settings.batch, settings.heads, settings.head_width, settings.sampled)
    return KernelSizes(length, *given, dtype, settings.device, settings.seed)


def _make(work: Callable[[int], KernelWork], form: str, settings: KernelSettings, length: int, direction: str) -> Pass:
    sizes = _sizes(settings, length)
    if form == "flash":
        shape = (sizes.batch, sizes.heads, length, sizes.head_width)
        made = KernelWork(tuple(sizes.draw(shape, shape, shape)), {form: F.scaled_dot_product_attention}, shape)
    else:
        made = work(length)
    gradient = torch.randn(made.result, device=sizes.device, dtype=sizes.dtype) if direction == "train" else None
    one = Pass(made.forms[form], made.inputs, gradient)
    if settings.device == "cuda":
        one.seconds()  # Triton compiles for each kind of size, which is no part of the work
    return one


def _operations(
    case: KernelCase, form: str, settings: KernelSettings, length: int, direction: str
) -> Operations | None:
    sizes = _sizes(settings, length)
    if form == "plain":
        return None
    if form == "kernel":
        forward, train = case.operations(sizes)
        return forward if direction == "forward" else train
    numbers = sizes.batch * sizes.heads * length * sizes.head_width
    # Of a pair: two products forward, five backward, of which one is the first again.
    products, moved = (2, 4) if direction == "forward" else (7, 12)
    return Operations(matrix=2.0 * products * numbers * length, bytes=moved * numbers * sizes.bytes_per_number)


def _record(
    name: str,
    form: str,
    settings: KernelSettings,
    cell: Cell,
    cells: dict[str, Cell],
    work: Operations | None,
    ceilings: Ceilings,
) -> KernelRecord:
    floor, bound = (None, None) if work is None else ceilings.floor(work, settings.dtype)
    others = {other: cells[other]["median_s"] for other in FORMS if other != form and other in cells}
    return {
        "kernel": name,
        "form": form,
        "heads": settings.heads,
        "head_width": settings.head_width,
        "sampled": settings.sampled,
        **cell,
        "floor_s": floor,
        "bound": bound,
        "share": None if floor is None else floor / cell["median_s"],
        "ratios": {other: seconds / cell["median_s"] for other, seconds in others.items()},
    }
