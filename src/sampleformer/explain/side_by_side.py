"""Two explanations beside each other: of two models for one sample, or of two samples by one model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sampleformer.explain.explanation import Explanation
from sampleformer.explain.faithfulness_figure import TITLE, faithfulness_summary, span_of
from sampleformer.explain.gallery import introduction, most_heads
from sampleformer.explain.html import escape, table
from sampleformer.explain.sample_section import sample_section
from sampleformer.explain.views import View, view_of
from sampleformer.models import ModelSettings
from sampleformer.wording import number, percent


@dataclass(frozen=True)
class Pair:
    """What stands beside each other.

    Args:
        title: Of both; plain text.
        left, right: The explanations.
        names: What each is called: a run, or a sample; plain texts.
    """

    title: str
    left: Explanation
    right: Explanation
    names: tuple[str, str]


@dataclass(frozen=True)
class Overlap:
    """How alike two choices over the same tokens are.

    Args:
        left, right: Tokens that any head of one and of the other chose.
        both: Tokens that some head of both chose.
        length: Tokens that there are.
        correlation: Of the numbers of heads that chose each token, between −1 and 1. None: one of the two chose all
            alike.
    """

    left: int
    right: int
    both: int
    length: int
    correlation: float | None

    @property
    def share(self) -> float:
        """Share of the tokens of the first that are the second's too."""
        return self.both / max(1, self.left)

    @property
    def by_chance(self) -> float:
        """The share to be expected if the second had drawn as many at random."""
        return self.right / max(1, self.length)

    @classmethod
    def of(cls, left: Explanation, right: Explanation) -> "Overlap | None":
        """The overlap of two choices; None: their tokens do not stand for the same things."""
        if not _alike(left, right):
            return None
        first, second = left.choices.counts, right.choices.counts
        varied = first.std() > 0 and second.std() > 0
        return cls(
            left=int((first > 0).sum()),
            right=int((second > 0).sum()),
            both=int(((first > 0) & (second > 0)).sum()),
            length=len(first),
            correlation=float(np.corrcoef(first, second)[0, 1]) if varied else None,
        )


def side_by_side(pairs: Sequence[Pair], settings: Sequence[ModelSettings]) -> str:
    """The sections of some pairs, with what a reader needs to read them.

    Args:
        pairs: The pairs; at least one.
        settings: Those of each model.
    """
    shown = [one for pair in pairs for one in (pair.left, pair.right)]
    most = most_heads([one for one in shown if not one.choices.everything])
    return introduction(shown, settings) + _summary(pairs) + "".join(_section(pair, most) for pair in pairs)


def _alike(left: Explanation, right: Explanation) -> bool:
    """Whether the tokens of two explanations stand for the same things, one by one."""
    if not 0 < left.choices.length == right.choices.length:
        return False
    if left.id == right.id:  # what two models make of one sample
        return left.source == right.source and list(left.pieces) == list(right.pieces)
    return view_of(left) == view_of(right) and view_of(left).average is not None and left.layout == right.layout


def _section(pair: Pair, most: int) -> str:
    sides = "".join(
        sample_section(side, name, most, heading=3)
        for side, name in zip((pair.left, pair.right), pair.names, strict=True)
    )
    words = _overlap_words(pair, view_of(pair.left))
    return f"<section class='pair'>\n<h2>{escape(pair.title)}</h2>\n{words}<div class='sides'>{sides}</div></section>\n"


def _overlap_words(pair: Pair, view: View) -> str:
    names = [f"<b>{escape(name)}</b>" for name in pair.names]
    if pair.left.choices.everything or pair.right.choices.everything:
        return ""
    overlap = Overlap.of(pair.left, pair.right)
    if overlap is None:
        if pair.left.id != pair.right.id:
            return ""
        return "<p class='note'>The two models cut the sample into other tokens, so no overlap is counted.</p>\n"
    words = (
        f"Of the {overlap.left:,} {view.many} that a head of {names[0]} chose, {overlap.both:,} "
        f"({percent(overlap.share)}) were chosen by {names[1]} too, which chose {overlap.right:,} of "
        f"{overlap.length:,}: at random it would be {percent(overlap.by_chance)}."
    )
    if overlap.correlation is not None:
        words += f" Correlation of the numbers of heads: {_signed(overlap.correlation)}."
    return f"<p>{words}</p>\n"


def _summary(pairs: Sequence[Pair]) -> str:
    """What both models said of each sample and how alike their choices are; nothing for a single pair."""
    if len(pairs) < 2:
        return ""
    overlaps = [Overlap.of(pair.left, pair.right) for pair in pairs]
    rows = [
        [escape(pair.title), escape(pair.left.outcome.headline), escape(pair.right.outcome.headline), *_cells(overlap)]
        for pair, overlap in zip(pairs, overlaps, strict=True)
    ]
    names = [escape(name) for name in pairs[0].names]
    head = ["sample", *names, "chosen by both", "at random", "correlation"]
    note = (
        f"<p class='note'>Chosen by both: share of what a head of {names[0]} chose that a head of {names[1]} chose "
        "too; at random: the share if that had drawn as many at random. Correlation: of the numbers of heads that "
        "chose each.</p>\n"
    )
    return f"<h2>Over these samples</h2>\n{table(head, rows)}{note}{_deleted(pairs)}"


def _cells(overlap: Overlap | None) -> list[str]:
    if overlap is None:
        return ["–"] * 3
    correlation = "–" if overlap.correlation is None else _signed(overlap.correlation)
    return [percent(overlap.share), percent(overlap.by_chance), correlation]


def _deleted(pairs: Sequence[Pair]) -> str:
    """What each model lost without the tokens that it chose, if that was measured."""
    both = zip(*((pair.left, pair.right) for pair in pairs), strict=True)
    measured = [[one.faithfulness for one in side if one.faithfulness is not None] for side in both]
    span = span_of([side for side in measured if side]) if any(measured) else None
    sides = [
        f"<div><h3>{escape(name)}</h3>\n{faithfulness_summary(side, name, view_of(pairs[0].left).many, span)}</div>"
        for name, side in zip(pairs[0].names, measured, strict=True)
        if side
    ]
    return f"<h2>{TITLE}</h2>\n<div class='sides'>{''.join(sides)}</div>\n" if sides else ""


def _signed(value: float) -> str:
    return number(round(value, 3)).replace("-", "−")
