"""The sentence that a comparison ends with."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sampleformer.tasks.metrics import LOWER_IS_BETTER
from sampleformer.wording import decimals, number

OURS, SIMPLE, EITHER, NONE, UNKNOWN = "ours", "simple", "either", "none", "unknown"

DIGITS = 3
"""Of a score that stands beside its error."""
_AS_FAST = 1.25  # ratio of times below which nobody waits longer
_WEAK = 2.0  # standard errors of a difference below which it is weak evidence


@dataclass(frozen=True)
class Contender:
    """A model in the verdict.

    Args:
        title: Name in a sentence, with its article.
        score: On the test part.
        seconds: Wall time.
    """

    title: str
    score: float
    seconds: float


@dataclass(frozen=True)
class Verdict:
    """What to use.

    Args:
        use: "ours", "simple", "either", "none" (nothing is better than the floor) or "unknown".
        sentence: The same in words.
    """

    use: str
    sentence: str


def judge(
    ours: Contender,
    simple: Contender | None,
    floor: Contender,
    metric: str,
    *,
    error: float,
    floor_error: float,
) -> Verdict:
    """What is worth using.

    A difference of at most one standard error is none. Of two models that are as good, the faster one is to be used,
    and the simple one if both take as long.

    Args:
        ours: Our model.
        simple: The simple model that is best on the validation part. None: none could be trained.
        floor: The same answer for all.
        metric: Name of the metric of the scores.
        error: Standard error of the difference between ours and the simple one.
        floor_error: Standard error of the difference between the better one of both and the floor.

    Example:
        >>> bag = Contender("a bag of words", 0.981, 3.0)
        >>> judge(Contender("sampleformer", 0.979, 60.0), bag, Contender("the floor", 0.5, 0.0), "accuracy",
        ...       error=0.004, floor_error=0.02).sentence
        'A bag of words is as good here (0.981 against 0.979, within one standard error) and 20 times as fast: use it.'
    """
    rivals = [each for each in (ours, simple) if each is not None]
    if any(math.isnan(each.score) for each in (*rivals, floor)):
        return Verdict(UNKNOWN, f"The test part cannot tell: {metric.replace('_', ' ')} is not defined on it.")
    if all(_gain(each, floor, metric) <= floor_error for each in rivals):
        found = " and ".join(f"{each.title} {number(each.score, DIGITS)}" for each in rivals)
        return Verdict(
            NONE,
            f"Nothing here is better than {floor.title} ({number(floor.score, DIGITS)}; {found}), within one standard "
            "error: do not use any of it.",
        )
    if simple is None:
        by = number(abs(_gain(ours, floor, metric)), DIGITS)
        return Verdict(
            OURS, f"{start(ours.title)} is better by {by} than {floor.title}; no simple model could be trained."
        )
    gain = _gain(ours, simple, metric)
    if abs(gain) <= error:
        return _as_good(ours, simple)
    if gain > 0:
        return Verdict(
            OURS,
            f"{start(ours.title)} is better by {number(gain, DIGITS)} than the best simple model, {simple.title} "
            f"({_both(ours, simple)}, {_errors(gain, error)}).{_evidence(gain, error)}",
        )
    faster = pace(simple, ours)
    end = f" {'and' if simple.seconds <= ours.seconds else 'though it takes'} {faster}" if faster else ""
    return Verdict(
        SIMPLE,
        f"{start(simple.title)} is better by {number(-gain, DIGITS)} ({_both(simple, ours)}, {_errors(-gain, error)})"
        f"{end}: use it.{_evidence(-gain, error)}",
    )


def _as_good(ours: Contender, simple: Contender) -> Verdict:
    faster = pace(simple, ours)
    if not faster:
        return Verdict(
            SIMPLE,
            f"{start(simple.title)} is as good here ({_both(simple, ours)}, within one standard error) and takes as "
            "long: use it, it is simpler.",
        )
    first, second = (simple, ours) if simple.seconds < ours.seconds else (ours, simple)
    return Verdict(
        SIMPLE if first is simple else OURS,
        f"{start(first.title)} is as good here{'' if first is simple else f' as {second.title}'} "
        f"({_both(first, second)}, within one standard error) and {pace(first, second)}: use it.",
    )


def pace(one: Contender, other: Contender) -> str:
    """How much faster, or how much longer, one is than another; empty if they take as long."""
    fast, slow = sorted([max(one.seconds, 1e-3), max(other.seconds, 1e-3)])
    ratio = slow / fast
    if ratio < _AS_FAST:
        return ""
    times = f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}".removesuffix(".0")
    return f"{times} times as {'fast' if one.seconds <= other.seconds else 'long'}"


def _gain(one: Contender, other: Contender, metric: str) -> float:
    """By how much one is better than another."""
    return (one.score - other.score) * (-1 if metric in LOWER_IS_BETTER else 1)


def _both(one: Contender, other: Contender) -> str:
    return f"{number(one.score, DIGITS)} against {number(other.score, DIGITS)}"


def _errors(gain: float, error: float) -> str:
    if error <= 0:
        return "the same for all test rows"
    ratio = gain / error
    return f"{ratio:.0f} standard errors" if ratio >= 10 else f"{ratio:.1f} standard errors"


def _evidence(gain: float, error: float) -> str:
    weak = gain < _WEAK * error
    return " Below two standard errors that is weak evidence: more test rows or more seeds would tell." if weak else ""


def start(title: str) -> str:
    """A title at the start of a sentence; our own name keeps its small letter."""
    return title if title == "sampleformer" else title[:1].upper() + title[1:]


def error_words(score: float, error: float) -> str:
    """A standard error in the digits of its score.

    Example:
        >>> error_words(0.98, 0.00412), error_words(562.0, 21.3), error_words(562.0, 0.04)
        ('0.004', '21', '0.04')
    """
    words = f"{error:,.{decimals(score, DIGITS)}f}"
    return f"{error:.1g}" if error > 0 and not words.strip("0.") else words
