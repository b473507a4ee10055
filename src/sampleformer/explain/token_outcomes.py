"""What the model predicted for the tokens of one sample, or for pairs of them, beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sampleformer.explain.html import details, escape, table
from sampleformer.explain.outcome import Outcome
from sampleformer.wording import count

_SHOWN = 50


@dataclass(frozen=True)
class TokenOutcomes:
    """Predictions and truths of the tokens or pairs of one sample.

    Args:
        unit: what they are called.
        names: of each.
        outcomes: of each.
    """

    unit: str
    names: Sequence[str]
    outcomes: Sequence[Outcome]

    @property
    def headline(self) -> str:
        """How many were predicted, and of classes how many rightly, in a few words."""
        judged = [outcome.right for outcome in self.outcomes if outcome.right is not None]
        words = count(len(self.outcomes), self.unit)
        return f"{words}, {sum(judged):,} of {len(judged):,} rightly" if judged else words

    def line(self) -> str:
        """How many were predicted and, of classes, how many rightly, as a line of HTML."""
        judged = [outcome.right for outcome in self.outcomes if outcome.right is not None]
        known = sum(outcome.truth is not None for outcome in self.outcomes)
        words = f"Predicted: <b>{count(len(self.outcomes), self.unit)}</b>"
        if judged:
            words += f"; of {len(judged):,} whose class is known <b>{sum(judged):,}</b> rightly"
        elif known:
            words += f"; the truth is known of {known:,}"
        return f"<p class='outcome'>{words}</p>\n"

    def probabilities(self) -> str:
        """The predictions as an HTML table, those whose truth is known and that are wrong first."""
        order = sorted(range(len(self.outcomes)), key=lambda place: _rank(self.outcomes[place]))
        rows = [
            [
                escape(self.names[place]),
                escape(self.outcomes[place].scores),
                escape(self.outcomes[place].truth or "–"),
            ]
            for place in order[:_SHOWN]
        ]
        rest = len(order) - len(rows)
        note = f"<p class='note'>{rest:,} more left out.</p>" if rest else ""
        return "<div>" + details("Each prediction", table([self.unit, "predicted", "true"], rows) + note) + "</div>\n"


def _rank(outcome: Outcome) -> int:
    if outcome.truth is None:
        return 2
    return 0 if outcome.right is False else 1
