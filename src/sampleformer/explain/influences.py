"""How much each descriptor of a sample, and each run of its words, moved its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from sampleformer.data.descriptors import Descriptors
from sampleformer.explain.html import escape, table
from sampleformer.models import Blend, Model, NGrams
from sampleformer.tokens import Tokens
from sampleformer.wording import number

_SHOWN = 10
_TITLES = {
    "descriptors": (
        "Descriptors that mattered most",
        "Descriptors of the whole sample: by how much each raised (+) or lowered (−) the raw outputs, against a "
        "typical value in its place.",
    ),
    "words": (
        "Words that mattered most",
        "Words and runs of words in the linear model beside the transformer: what each added to the raw outputs.",
    ),
}


@dataclass(frozen=True)
class Influence:
    """What one descriptor did.

    Args:
        name: Name of the descriptor's column.
        changes: By how much each raw output is higher than with a typical value in its place: no fragment of the
            kind, no such category, the middle of the numbers.
    """

    name: str
    changes: tuple[float, ...]


@torch.no_grad()
def influences(model: Model, descriptors: Descriptors, codes: Tensor, source: str | None = None) -> list[Influence]:
    """The ten descriptors that moved an output most, of those that are not typical, the strongest first.

    Args:
        model: In evaluation mode. What its descriptors alone add to the outputs is asked, see `Model.of_descriptors`.
        descriptors: Those of its data.
        codes: Of one sample, ``(1, f)``.
        source: Raw text of the sample, such as its SMILES, in terms of which descriptors are named. None: unknown.
    """
    typical = _typical(descriptors, codes)
    columns: dict[str, list[int]] = {}
    for place in (codes != typical)[0].nonzero().flatten().tolist():
        columns.setdefault(descriptors.names[place], []).append(place)
    if not columns:
        return []
    changed = codes.repeat(1 + len(columns), 1)
    for row, places in enumerate(columns.values(), start=1):
        changed[row, places] = typical[0, places]
    tokens = Tokens(torch.zeros(len(changed), 1, 0, device=changed.device), descriptors=changed)
    outputs = model.of_descriptors(tokens)
    if outputs is None:
        return []
    moved = (outputs[:1] - outputs[1:]).tolist()
    found = sorted(zip(columns.values(), moved, strict=True), key=lambda each: -max(map(abs, each[1])))
    return [Influence(descriptors.name_in(places[0], source), tuple(change)) for places, change in found[:_SHOWN]]


@torch.no_grad()
def run_influences(model: Model, tokens: Tokens, pieces: Sequence[str]) -> list[Influence]:
    """The ten words and runs of words that moved an output most in the `NGrams` of a blend, the strongest first.

    Args:
        model: In evaluation mode.
        tokens: One sample.
        pieces: What each token shows.
    """
    if not isinstance(model, Blend):
        return []
    found = [
        Influence(" ".join(pieces[at : at + length]), tuple((factor * added).tolist()))
        for factor, part in zip(model.factors, model.parts, strict=True)
        if isinstance(part, NGrams)
        for at, length, added in part.runs(tokens)
    ]
    return sorted(found, key=lambda each: -max(map(abs, each.changes)))[:_SHOWN]


def _typical(descriptors: Descriptors, codes: Tensor) -> Tensor:
    """Zero, and the middle of columns of real numbers, which stand there standardised too."""
    widths = [*descriptors.widths, 1]
    typical = [width / 2 if width and following == 0 else 0.0 for width, following in pairwise(widths)]
    return codes.new_tensor(typical)[None]


def influence_table(
    found: Sequence[Influence],
    outputs: Sequence[str],
    shown: Sequence[str] | None = None,
    of: str = "descriptors",
    heading: str = "h3",
) -> str:
    """The strongest influences as an HTML table; nothing if there are none.

    Args:
        found: Influences, the strongest first.
        outputs: Names of the raw outputs.
        shown: Those that are shown. None: all.
        of: What they are of: "descriptors" or "words".
        heading: HTML element of the heading.
    """
    if not found:
        return ""
    kept = [place for place, name in enumerate(outputs) if shown is None or name in shown]
    rows = [[escape(each.name), *(_signed(each.changes[place]) for place in kept)] for each in found]
    title, note = _TITLES[of]
    head = [of.removesuffix("s"), *(escape(outputs[place]) for place in kept)]
    note += "" if len(kept) == len(outputs) else f" Shown are the {len(kept)} foremost of {len(outputs):,} outputs."
    return f"<{heading}>{title}</{heading}>\n{table(head, rows)}<p class='note'>{note}</p>\n"


def _signed(change: float) -> str:
    return f"{'+' if change > 0 else '−' if change < 0 else ''}{number(abs(change))}"
