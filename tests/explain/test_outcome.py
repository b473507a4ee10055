import numpy as np
import pytest

from sampleformer.explain.outcome import Answer, ClassOutcome, LabelsOutcome, Outcome, outcome_of
from sampleformer.tasks import Classification, MultiLabel, Regression
from tests.explain.pages import Page


def classes(*probabilities: float, true: int | None = None) -> Outcome:
    answers = [
        Answer(f"<{place}>", probability, None if true is None else float(place == true))
        for place, probability in enumerate(probabilities)
    ]
    return ClassOutcome(answers)


@pytest.mark.parametrize(("true", "words"), [(1, "✓ right"), (0, "✗ wrong")])
def test_class_is_right_or_wrong(true: int, words: str) -> None:
    line = Page(classes(0.25, 0.75, true=true).line()).text
    assert line.startswith(f"Predicted: <1> (75.0\N{NO-BREAK SPACE}%); true: <{true}>")
    assert words in line


def test_without_truth_there_is_no_verdict() -> None:
    outcome = classes(0.25, 0.75)
    assert (outcome.truth, outcome.right) == (None, None)
    assert "true" not in outcome.line()


def test_many_classes_are_cut_but_the_true_one_stays() -> None:
    text = Page(classes(*[0.1] * 9, 0.02, true=9).probabilities()).text
    assert "<9> (true)" in text
    assert "4 less probable left out." in text


def test_several_labels() -> None:
    outcome = LabelsOutcome([Answer("a", 0.9, 1.0), Answer("b", 0.2, 1.0), Answer("c", 0.6, None)])
    assert (outcome.headline, outcome.truth, outcome.right) == ("a, c", "a, b (c unknown)", None)
    assert LabelsOutcome([Answer("a", 0.1, 0.0)]).truth == "no label"
    assert LabelsOutcome([Answer("a", 0.1, 1.0), Answer("b", 0.9, None)]).truth == "a (b unknown)"


def test_values() -> None:
    outcome = Outcome([Answer("price", 12.3456, 13.0), Answer("size", 1.0, None)])
    assert (outcome.headline, outcome.truth, outcome.probabilities()) == ("price = 12.35, size = 1", "price = 13", "")


def test_outcomes_of_tasks() -> None:
    found = outcome_of(Classification("y", ["a", "b"]), np.array([[0.0, np.log(3.0)]]), np.array(0))
    assert isinstance(found, ClassOutcome)
    assert [(each.name, each.predicted, each.truth) for each in found.answers] == [
        ("a", pytest.approx(0.25), 1.0),
        ("b", pytest.approx(0.75), 0.0),
    ]
    assert outcome_of(Classification("y", ["a", "b"]), np.zeros((1, 2)), np.array(-1)).truth is None
    labels = outcome_of(MultiLabel(["a", "b"]), np.zeros((1, 2)), np.array([1.0, np.nan]))
    assert [(each.predicted, each.truth) for each in labels.answers] == [(0.5, 1.0), (0.5, None)]
    values = outcome_of(Regression(["u"], [10.0], [2.0]), np.array([[1.0]]), np.array([0.5]))
    assert [(each.name, each.predicted, each.truth) for each in values.answers] == [("u", 12.0, 11.0)]
    assert outcome_of(Regression(["u"], [10.0], [2.0]), np.array([[1.0]]), None).truth is None
