"""What a page says of the parts of shapes is what the predictions say."""

import csv
from pathlib import Path

from sampleformer.explain.explanation import explain
from sampleformer.explain.report import write_report
from sampleformer.explain.token_outcomes import TokenOutcomes
from sampleformer.training.summary import run_lines
from tests.data.point_cloud.small import write_parts
from tests.explain.pages import Page
from tests.explain.runs import make_run


def test_shapes_have_the_parts_that_the_predictions_give_them(tmp_path: Path) -> None:
    data = {"name": "clouds", "path": str(write_parts(tmp_path / "parts")), "label": "labels", "points": 64}
    run, splits = make_run(tmp_path / "run", data, embed={"name": "point_cloud", "neighbours": 4})
    with run.test_predictions.open(newline="", encoding="utf-8") as file:
        written = {(row["id"], row["point"]): row["prediction"] for row in csv.DictReader(file)}
    model, shown = run.read_model(), {}
    for sample in (splits.test[row] for row in range(len(splits.test))):
        outcome = explain(model, splits.encoding, sample).outcome
        assert isinstance(outcome, TokenOutcomes)
        for name, each in zip(outcome.names, outcome.outcomes, strict=True):
            shown[sample.id, name] = max(each.answers, key=lambda answer: answer.predicted).name
            assert each.answers[0 if sample.id.startswith("disc") else 2].predicted == 0
    assert shown == written


def test_the_share_of_the_most_frequent_class_is_not_set_beside_a_mean_iou(tmp_path: Path) -> None:
    data = {"name": "clouds", "path": str(write_parts(tmp_path / "parts")), "label": "labels", "points": 64}
    run, _ = make_run(tmp_path / "run", data, embed={"name": "point_cloud", "neighbours": 4})
    results = run.read_results()
    assert results is not None
    assert results["selected_by"] == "instance_miou"
    assert "(accuracy of always naming the most frequent class: " in run_lines(run, results)[0]
    page = Page(write_report(run).read_text(encoding="utf-8"))
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "test instance mIoU, best on validation" in text
    assert "accuracy of always the most frequent class" in text
