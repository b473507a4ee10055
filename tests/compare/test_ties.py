"""Simple models that are as good as each other: the cheapest one is named."""

import numpy as np
import pytest

from sampleformer.compare import SIMPLE_MODELS, Trial
from sampleformer.compare.comparison import _best, _cheaper, _verdict
from sampleformer.compare.entry import Entry
from sampleformer.tasks import Classification, Predictions

RIGHT = np.arange(40) % 2


def entry(name: str, role: str, seconds: float, wrong: int, valid: float, loss: float = 0.1) -> Entry:
    """A model that was trained once and says the wrong class of so many of forty test rows."""
    said = np.where(np.arange(40) < wrong, 1 - RIGHT, RIGHT)
    task = Classification("y", ["no", "yes"])
    predictions = Predictions(np.eye(2)[said], RIGHT, [str(row) for row in range(40)], np.arange(40))
    scores = {"accuracy": valid, "loss": loss}
    found = Entry(SIMPLE_MODELS[name](), role)
    found.trials.append(Trial(predictions, task.score(predictions), scores, seconds, seconds))
    found.resample(task, "accuracy")
    return found


def test_of_models_that_the_validation_part_does_not_tell_apart_the_fastest_is_named() -> None:
    entries = [
        entry("gin", "ours", 60.0, 0, 1.0),
        entry("floor", "floor", 0.0, 20, 0.5),
        entry("boosting", "simple", 9.0, 0, 1.0, loss=0.01),
        entry("linear", "simple", 0.5, 0, 1.0, loss=0.2),
        entry("words", "simple", 0.1, 4, 0.9),
    ]
    found = _best(entries, "accuracy")
    assert found is not None
    assert found.model.name == "linear"
    verdict = _verdict(entries, "accuracy", "accuracy")
    assert (verdict["use"], verdict["best_simple"]) == ("simple", "linear")
    assert _best(entries[:2], "accuracy") is None


@pytest.mark.parametrize(("wrong", "seconds", "named"), [(1, 0.5, True), (12, 0.5, False), (1, 8.0, False)])
def test_a_cheaper_model_within_one_standard_error_is_named_beside_it(wrong: int, seconds: float, named: bool) -> None:
    best, other = entry("boosting", "simple", 9.0, 0, 1.0), entry("linear", "simple", seconds, wrong, 0.95)
    words = _cheaper([best, other], best, "accuracy")
    assert bool(words) == named
    if named:
        assert words[0].endswith("(0.975, within one standard error) and 18 times as fast: it is the cheapest.")
