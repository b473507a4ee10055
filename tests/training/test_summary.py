"""The tables that end a verb."""

import pytest

from sampleformer.training.summary import evaluation_table, run_table


@pytest.mark.parametrize(
    ("judged", "unit", "words"), [(1, "sample", "1 sample"), (1200, "node", "1,200 nodes"), (1, "pair", "1 pair")]
)
def test_what_is_judged_is_counted_with_its_noun(judged: int, unit: str, words: str) -> None:
    evaluation = {"task": "link", "judged": judged, "unit": unit, "scores": {"auroc": 1.0}, "majority_share": None}
    assert evaluation_table(evaluation).title == f"link, {words}"
    weights = {"step": 4, "valid": {"auroc": 0.5}, "test": {"auroc": 1.0}}
    results = {"task": "link", "judged": {"test": judged, "unit": unit}, "best": weights, "last": weights}
    number, noun = words.split()
    assert run_table(results).title == f"link, {number} test {noun}"
    assert list(run_table(results).columns[1].cells) == ["1.000"]
