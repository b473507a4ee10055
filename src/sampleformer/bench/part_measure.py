"""Times and memory of the parts of attentions, in each of their forms."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from sampleformer.bench.part import PARTS, Part
from sampleformer.bench.records import Cell, PartRecord
from sampleformer.bench.settings import PartsSettings
from sampleformer.bench.timing import Pass
from sampleformer.bench.turns import Turns, threads


@dataclass
class PartResults:
    """All measured cells of parts, in the order of part, pass, length and form.

    Args:
        records: of every form.
        skipped: what was left out and why, in words.
    """

    records: list[PartRecord] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def measure_parts(settings: PartsSettings, watch: Callable[[str], None] = lambda doing: None) -> PartResults:
    """Measures every form of every part in every pass and at every length.

    Args:
        settings: what to measure.
        watch: told what is being done; never while the clock runs.
    """
    turns = Turns(settings, watch)
    results = PartResults(skipped=turns.skipped)
    with threads(settings.threads):
        for name in settings.parts:
            part = PARTS[name]
            heads = settings.heads or part.heads
            candidates = _candidates(part, settings, heads)
            for cells in turns.measure(settings.lengths or part.lengths, candidates):
                results.records += [_record(name, form, settings, heads, cell) for form, cell in cells.items()]
    return results


def _candidates(part: Part, settings: PartsSettings, heads: int) -> dict[str, Callable[[int, str], Pass]]:
    @functools.lru_cache(maxsize=1)  # all forms get the same
    def tensors(length: int) -> list[Tensor]:
        return part.tensors(settings, heads, length)

    def make(function: Callable[..., Tensor], length: int, direction: str) -> Pass:
        *inputs, gradient = tensors(length)
        return Pass(function, inputs, gradient if direction == "train" else None)

    return {form: functools.partial(make, function) for form, function in part.forms(settings, heads).items()}


def _record(name: str, form: str, settings: PartsSettings, heads: int, cell: Cell) -> PartRecord:
    def size(setting: str) -> int | None:
        return getattr(settings, setting) if setting in PARTS[name].sizes else None

    return {
        "part": name,
        "form": form,
        "heads": heads,
        "head_width": settings.head_width,
        "sampled": size("sampled"),
        "hashes": size("hashes"),
        "code_length": size("code_length"),
        **cell,
    }
