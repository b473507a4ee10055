"""Predictions of tokens and pairs on a page."""

from sampleformer.explain.outcome import Answer, ClassOutcome, LabelsOutcome, Outcome
from sampleformer.explain.token_outcomes import TokenOutcomes


def _classes(probability: float, truth: bool | None) -> Outcome:
    known = (None, None) if truth is None else (float(truth), float(not truth))
    return ClassOutcome([Answer("a", probability, known[0]), Answer("b", 1 - probability, known[1])])


def test_classes_of_nodes() -> None:
    outcomes = [_classes(0.9, None), _classes(0.8, True), _classes(0.7, False)]
    shown = TokenOutcomes("node", ["n<1>", "n2", "n3"], outcomes)
    assert "Predicted: <b>3 nodes</b>; of 2 whose class is known <b>1</b> rightly" in shown.line()
    page = shown.probabilities()
    assert page.index("n3") < page.index("n2") < page.index("n&lt;1&gt;")  # wrong ones first, unknown ones last


def test_links() -> None:
    outcomes = [LabelsOutcome([Answer("link", 0.25, truth)]) for truth in (1.0, None)]
    shown = TokenOutcomes("pair", ["a–b", "b–c"], outcomes)
    assert "Predicted: <b>2 pairs</b>; the truth is known of 1" in shown.line()
    assert "link 25.0\N{NO-BREAK SPACE}%" in shown.probabilities()


def test_many_are_left_out() -> None:
    shown = TokenOutcomes("node", [str(place) for place in range(60)], [_classes(0.9, True)] * 60)
    assert "10 more left out" in shown.probabilities()
