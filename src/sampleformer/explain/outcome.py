"""Prediction and truth of one sample, or of a token of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import torch

from sampleformer.explain.html import escape, table
from sampleformer.tasks import Classification, MaskedCodes, MultiLabel, Task
from sampleformer.wording import amount, percent

_LABELS_SHOWN = 5


@dataclass(frozen=True)
class Answer:
    """One output of the model.

    Args:
        name: Class, or target column.
        predicted: Probability of the label, or value in the target's unit.
        truth: 1 or 0 for a label, or the true value; None: not known.
    """

    name: str
    predicted: float
    truth: float | None


@dataclass(frozen=True)
class Outcome:
    """Predicted and true values of one sample.

    Args:
        answers: One for each output.
    """

    answers: Sequence[Answer]

    @property
    def headline(self) -> str:
        """The prediction in a few words."""
        return ", ".join(f"{answer.name} = {amount(answer.predicted)}" for answer in self.answers)

    @property
    def scores(self) -> str:
        """The prediction in a few words, with the probability of each label where there may be several."""
        return self.headline

    @property
    def truth(self) -> str | None:
        """The truth in a few words; None: not known."""
        known = [f"{answer.name} = {amount(answer.truth)}" for answer in self.answers if answer.truth is not None]
        return ", ".join(known) or None

    @property
    def right(self) -> bool | None:
        """Whether the predicted class is the true one; None: not known, or there is no right and wrong."""
        return None

    @property
    def foremost(self) -> list[str]:
        """Names of the outputs that a reader wants to know more of: of many the most probable and the true ones."""
        return [answer.name for answer in self.answers]

    def line(self) -> str:
        """Prediction and truth as a line of HTML."""
        verdict = {True: " <b class='right'>✓ right</b>", False: " <b class='wrong'>✗ wrong</b>", None: ""}[self.right]
        truth = f"; true: <b>{escape(self.truth)}</b>" if self.truth is not None else ""
        return f"<p class='outcome'>Predicted: <b>{escape(self.headline)}</b>{truth}{verdict}</p>\n"

    def probabilities(self) -> str:
        """The most probable labels as an HTML table; nothing for values."""
        return ""


class LabelsOutcome(Outcome):
    """Probability and truth of each of several labels."""

    @property
    def headline(self) -> str:
        return ", ".join(answer.name for answer in self.answers if answer.predicted >= 0.5) or "no label"

    @property
    def scores(self) -> str:
        return ", ".join(f"{answer.name} {percent(answer.predicted)}" for answer in self.answers)

    @property
    def truth(self) -> str | None:
        if all(answer.truth is None for answer in self.answers):
            return None
        true = ", ".join(answer.name for answer in self.answers if answer.truth) or "no label"
        unknown = ", ".join(answer.name for answer in self.answers if answer.truth is None)
        return f"{true} ({unknown} unknown)" if unknown else true

    def probabilities(self) -> str:
        kept = self._foremost()
        rows = [
            [
                escape(answer.name) + (" <span class='true'>(true)</span>" if answer.truth else ""),
                bar(answer.predicted),
                percent(answer.predicted),
            ]
            for answer in kept
        ]
        rest = len(self.answers) - len(kept)
        note = f"<p class='note'>{rest} less probable left out.</p>" if rest else ""
        return f"<div>{table(['label', 'probability', ''], rows, kind='bars')}{note}</div>\n"

    @property
    def foremost(self) -> list[str]:
        return [answer.name for answer in self._foremost()]

    def _foremost(self) -> list[Answer]:
        """The most probable labels, the first one first, and behind them true ones that are less probable."""
        ordered = sorted(self.answers, key=lambda answer: -answer.predicted)
        return ordered[:_LABELS_SHOWN] + [answer for answer in ordered[_LABELS_SHOWN:] if answer.truth]


class ClassOutcome(LabelsOutcome):
    """Probability of each class, of which one is true."""

    @property
    def headline(self) -> str:
        best = self._best()
        return f"{best.name} ({percent(best.predicted)})"

    @property
    def scores(self) -> str:
        return self.headline

    @property
    def right(self) -> bool | None:
        return None if self.truth is None else bool(self._best().truth)

    def _best(self) -> Answer:
        return self.answers[int(np.argmax([answer.predicted for answer in self.answers]))]


@singledispatch
def outcome_of(task: Task, outputs: np.ndarray, target: np.ndarray | None) -> Outcome:
    """What the raw outputs ``(1, o)`` of a task say, beside the encoded target ``()`` or ``(o,)``; None: not known."""
    predicted = [float(column[0]) for column in task.decode(outputs).values()]
    if target is None:
        return Outcome(_answers(task, predicted, None))
    columns = task.decode_targets(np.atleast_1d(np.asarray(target))[None])
    return Outcome(_answers(task, predicted, [None if v[0] == "" else float(v[0]) for v in columns.values()]))


@outcome_of.register
def _(task: MultiLabel, outputs: np.ndarray, target: np.ndarray | None) -> LabelsOutcome:
    truth = None if target is None else [None if np.isnan(value) else float(value) for value in np.atleast_1d(target)]
    return LabelsOutcome(_answers(task, task.activation(outputs)[0].tolist(), truth))


@outcome_of.register
def _(task: Classification, outputs: np.ndarray, target: np.ndarray | None) -> ClassOutcome:
    known = target is not None and int(target) >= 0
    truth = [float(number == int(target)) for number in range(task.outputs)] if known else None  # type: ignore[arg-type]
    return ClassOutcome(_answers(task, task.activation(outputs)[0].tolist(), truth))


@outcome_of.register
def _(task: MaskedCodes, outputs: np.ndarray, target: np.ndarray | None) -> ClassOutcome:
    codes, probabilities = task.best(task.condense(torch.from_numpy(outputs)).numpy())
    names = [task.labels[code] for code in codes[0].tolist()]
    if target is None:
        return ClassOutcome([Answer(name, value, None) for name, value in zip(names, probabilities[0], strict=True)])
    true = task.labels[int(target)]
    found = [Answer(name, float(p), float(name == true)) for name, p in zip(names, probabilities[0], strict=True)]
    return ClassOutcome(found if true in names else [*found, Answer(true, 0.0, 1.0)])


def _answers(task: Task, predicted: Sequence[float], truth: Sequence[float | None] | None) -> list[Answer]:
    known = [None] * len(predicted) if truth is None else truth
    return [Answer(*each) for each in zip(map(str, task.labels), predicted, known, strict=True)]


def bar(share: float) -> str:
    """A bar as long as the share (0 to 1) of its cell."""
    return f'<span class="bar"><i style="width:{100 * min(1.0, max(0.0, share)):.1f}%"></i></span>'
