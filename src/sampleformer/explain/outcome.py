"""What the model predicted for one sample, beside the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sampleformer.explain.html import escape, number, percent, table

_LABELS_SHOWN = 5


@dataclass(frozen=True)
class Answer:
    """One label or target column of the outcome.

    Args:
        name: the class, or the target column.
        predicted: probability of the label, or the value in the target's unit.
        truth: whether the label is true, or the true value; None: not known.
    """

    name: str
    predicted: float
    truth: float | None


@dataclass(frozen=True)
class Outcome:
    """Prediction and truth of one sample.

    Args:
        task: classification, multilabel or regression.
        answers: one a class (classification) or target column.
    """

    task: str
    answers: Sequence[Answer]

    @classmethod
    def from_columns(
        cls, task: str, labels: Sequence[str], columns: Mapping[str, list], truth: Sequence[float | None] | None
    ) -> "Outcome":
        """Reads one row of `Encoding.predictions`.

        Args:
            task: of the encoding.
            labels: class names, or target columns.
            columns: the prediction columns of one row.
            truth: per label: 1 or 0, or the value in the target's unit. None: not known.
        """
        name = "{}" if task == "regression" else "probability_{}"
        known = truth if truth is not None else [None] * len(labels)
        return cls(
            task,
            [
                Answer(str(label), float(columns[name.format(label)][0]), None if true is None else float(true))
                for label, true in zip(labels, known, strict=True)
            ],
        )

    @property
    def headline(self) -> str:
        """The prediction in a few words."""
        if self.task == "classification":
            best = self._best()
            return f"{best.name} ({percent(best.predicted)})"
        if self.task == "multilabel":
            return ", ".join(answer.name for answer in self.answers if answer.predicted >= 0.5) or "no label"
        return ", ".join(f"{answer.name} = {number(answer.predicted)}" for answer in self.answers)

    @property
    def scores(self) -> str:
        """The prediction in a few words, with the probability of each label where there may be several."""
        if self.task != "multilabel":
            return self.headline
        return ", ".join(f"{answer.name} {percent(answer.predicted)}" for answer in self.answers)

    @property
    def truth(self) -> str | None:
        """The truth in a few words; None: not known."""
        known = [answer for answer in self.answers if answer.truth is not None]
        if not known:
            return None
        if self.task == "regression":
            return ", ".join(f"{answer.name} = {number(answer.truth)}" for answer in known)
        return ", ".join(answer.name for answer in known if answer.truth) or "no label"

    @property
    def right(self) -> bool | None:
        """Whether the predicted class is the true one; None: not known, or there is no right and wrong."""
        if self.task != "classification" or self.truth is None:
            return None
        return bool(self._best().truth)

    def _best(self) -> Answer:
        return self.answers[int(np.argmax([answer.predicted for answer in self.answers]))]

    def line(self) -> str:
        """Prediction and truth as a line of HTML."""
        verdict = {True: " <b class='right'>✓ right</b>", False: " <b class='wrong'>✗ wrong</b>", None: ""}[self.right]
        truth = f"; true: <b>{escape(self.truth)}</b>" if self.truth is not None else ""
        return f"<p class='outcome'>Predicted: <b>{escape(self.headline)}</b>{truth}{verdict}</p>\n"

    def probabilities(self) -> str:
        """The most probable labels as an HTML table; nothing for a regression."""
        if self.task == "regression":
            return ""
        shown = sorted(self.answers, key=lambda answer: -answer.predicted)
        kept = shown[:_LABELS_SHOWN] + [answer for answer in shown[_LABELS_SHOWN:] if answer.truth]
        rows = [
            [
                escape(answer.name) + (" <span class='true'>(true)</span>" if answer.truth else ""),
                bar(answer.predicted),
                percent(answer.predicted),
            ]
            for answer in kept
        ]
        rest = len(shown) - len(kept)
        note = f"<p class='note'>{rest} less probable left out.</p>" if rest else ""
        return f"<div>{table(['label', 'probability', ''], rows, kind='bars')}{note}</div>\n"


def bar(share: float) -> str:
    """A bar as long as the share (0 to 1) of its cell."""
    return f'<span class="bar"><i style="width:{100 * min(1.0, max(0.0, share)):.1f}%"></i></span>'
