"""The sentence that a comparison ends with, a case a row."""

from __future__ import annotations

import pytest

from sampleformer.compare.verdict import Contender, judge

FLOOR = 0.5


def contender(title: str, score: float, seconds: float) -> Contender:
    return Contender(title, score, seconds)


@pytest.mark.parametrize(
    ("ours", "simple", "error", "use", "sentence"),
    [
        (
            (0.979, 60.0),
            (0.981, 3.0),
            0.004,
            "simple",
            "A bag of words is as good here (0.981 against 0.979, within one standard error) and 20 times as fast: "
            "use it.",
        ),
        (
            (0.981, 3.0),
            (0.979, 7.5),
            0.004,
            "ours",
            "sampleformer is as good here as a bag of words (0.981 against 0.979, within one standard error) and 2.5 "
            "times as fast: use it.",
        ),
        (
            (0.98, 3.0),
            (0.98, 3.3),
            0.0,
            "simple",
            "A bag of words is as good here (0.980 against 0.980, within one standard error) and takes as long: use "
            "it, it is simpler.",
        ),
        (
            (0.93, 60.0),
            (0.88, 3.0),
            0.01,
            "ours",
            "sampleformer is better by 0.050 than the best simple model, a bag of words (0.930 against 0.880, 5.0 "
            "standard errors).",
        ),
        (
            (0.93, 60.0),
            (0.88, 3.0),
            0.039,
            "ours",
            "sampleformer is better by 0.050 than the best simple model, a bag of words (0.930 against 0.880, 1.3 "
            "standard errors). Below two standard errors that is weak evidence: more test rows or more seeds would "
            "tell.",
        ),
        (
            (0.88, 60.0),
            (0.93, 3.0),
            0.01,
            "simple",
            "A bag of words is better by 0.050 (0.930 against 0.880, 5.0 standard errors) and 20 times as fast: use "
            "it.",
        ),
        (
            (0.88, 3.0),
            (0.93, 6.0),
            0.01,
            "simple",
            "A bag of words is better by 0.050 (0.930 against 0.880, 5.0 standard errors) though it takes 2 times as "
            "long: use it.",
        ),
        (
            (0.88, 3.0),
            (0.93, 3.0),
            0.0,
            "simple",
            "A bag of words is better by 0.050 (0.930 against 0.880, the same for all test rows): use it.",
        ),
        (
            (0.52, 60.0),
            (0.51, 3.0),
            0.03,
            "none",
            "Nothing here is better than the floor (0.500; sampleformer 0.520 and a bag of words 0.510), within one "
            "standard error: do not use any of it.",
        ),
        (
            (0.9, 60.0),
            None,
            0.0,
            "ours",
            "sampleformer is better by 0.400 than the floor; no simple model could be trained.",
        ),
        ((float("nan"), 60.0), (0.9, 3.0), 0.0, "unknown", "The test part cannot tell: accuracy is not defined on it."),
    ],
)
def test_of_a_metric_of_which_more_is_better(
    ours: tuple[float, float], simple: tuple[float, float] | None, error: float, use: str, sentence: str
) -> None:
    rival = None if simple is None else contender("a bag of words", *simple)
    floor = contender("the floor", FLOOR, 0.0)
    found = judge(contender("sampleformer", *ours), rival, floor, "accuracy", error=error, floor_error=0.03)
    assert (found.use, found.sentence) == (use, sentence)


def test_of_an_error_less_is_better() -> None:
    ours, simple, floor = (
        contender("sampleformer", 120.0, 60.0),
        contender("boosting", 90.0, 3.0),
        contender("f", 400, 0),
    )
    found = judge(ours, simple, floor, "mae", error=10.0, floor_error=20.0)
    assert found.use == "simple"
    assert (
        found.sentence
        == "Boosting is better by 30.0 (90.0 against 120, 3.0 standard errors) and 20 times as fast: use it."
    )
    assert judge(simple, ours, floor, "mae", error=10.0, floor_error=20.0).use == "ours"
    assert judge(floor, ours, simple, "mae", error=10.0, floor_error=20.0).use == "none"


def test_one_model_above_the_floor_is_enough() -> None:
    ours, simple, floor = contender("gin", 0.5, 60.0), contender("boosting", 0.9, 3.0), contender("f", 0.5, 0)
    found = judge(ours, simple, floor, "auroc", error=0.1, floor_error=0.1)
    assert found.use == "simple"
    assert judge(simple, ours, floor, "auroc", error=0.1, floor_error=0.1).sentence.startswith(
        "Boosting is better by 0.4"
    )
