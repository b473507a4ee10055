import csv
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data.samples import Samples
from sampleformer.errors import InputError
from sampleformer.explain import write_report
from sampleformer.explain.residuals import residuals
from sampleformer.training.run_folder import RunFolder
from sampleformer.wording import number
from tests.explain.pages import Page
from tests.explain.runs import make_run, numbers_run, texts_run


def report_of(run: RunFolder, test: Samples | None = None) -> tuple[str, Page]:
    """The report, taken apart and checked."""
    path = write_report(run, test=test)
    assert path == run.report
    html = path.read_text(encoding="utf-8")
    assert "http" not in html
    page = Page(html)
    page.check_self_contained()
    return html, page


def test_classification(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path / "run", {"name": "digits", "limit": 60})
    html, page = report_of(run)
    results = run.read_results()
    assert results is not None
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    for words in (
        "A <trial>.",
        "test accuracy, best on validation",
        "Learning curves",
        "Confusion matrix",
        "A <fast> one",
    ):
        assert words in text
    assert f"validation F1 (macro){number(results['best']['test']['f1'])}" in text
    assert f"{number(results['majority_share'])}always the most frequent class" in text
    assert "step2040" in text
    assert "sampleformer train --label 'two words'" in text
    assert "name: digits" in text
    assert html.count("<svg") == 3
    assert text.count("Test sample") == 4
    assert (run.path / "curves.png").read_bytes().startswith(b"\x89PNG")
    with run.test_predictions.open() as file:
        wrong = sum(row["target"] != row["prediction"] for row in csv.DictReader(file))
    assert wrong > 2
    assert text.count("✗ wrong") >= 2


def test_regression(tmp_path: Path) -> None:
    run, _ = numbers_run(tmp_path / "run", "price")
    html, page = report_of(run)
    assert html.count("<svg") == 5
    for words in ("Predicted against true", "Residuals", "predicted − true price", "test mean absolute error"):
        assert words in page.text
    assert "most frequent class" not in page.text


def test_several_labels(tmp_path: Path) -> None:
    run, splits = numbers_run(tmp_path / "run", ["warm", "wet"])
    _, page = report_of(run)
    assert "Each label" in page.text
    warm = int(splits.test.targets[:, 0].sum())
    assert f"warm{len(splits.test)}{warm} (" in page.text


def test_data_that_cannot_be_read_any_more_is_left_out(tmp_path: Path) -> None:
    run, _ = texts_run(tmp_path / "run")
    (tmp_path / "texts.csv").unlink()
    _, page = report_of(run)
    assert "The data cannot be read any more, so no samples are shown" in page.text
    assert "texts.csv" in page.text


def test_data_that_has_changed_is_left_out_and_resumed_sessions_are_told(tmp_path: Path) -> None:
    run, splits = texts_run(tmp_path / "run")
    text = run.run_file.read_text().replace('"resumed": []', '"resumed": [{"command": ["again"], "started": "later"}]')
    run.run_file.write_text(text)
    _, page = report_of(run, splits.valid)
    assert "The data has changed since the training" in page.text
    assert "--label 'two words'\nagain" in page.text


def test_same_run_gives_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    run, splits = texts_run(tmp_path / "run")
    first, _ = report_of(run, splits.test)
    picture = (run.path / "curves.png").read_bytes()
    run.path.rename(tmp_path / "moved")
    moved = write_report(str(tmp_path / "moved"), test=splits.test)
    assert moved.read_text(encoding="utf-8") == first
    assert (moved.parent / "curves.png").read_bytes() == picture


def test_many_predictions_stay_small(tmp_path: Path) -> None:
    truth = np.random.default_rng(0).normal(size=(2, 20_000))
    html = residuals({"price": (truth[0], truth[1]), "unknown": (np.array([np.nan]), np.array([1.0]))})
    Page(html)
    assert len(html) < 300_000
    assert "price</th><td>20,000</td>" in html
    assert "unknown" not in html


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("results.json", None, "the training is not finished"),
        ("metrics.csv", None, "no such file"),
        ("metrics.csv", "step,train_loss\nten,1.0\n", "line 2: expected numbers"),
        ("test_predictions.csv", None, "no such file"),
        ("test_predictions.csv", "id,target\n1,yes\n", "no column 'prediction'"),
        ("test_predictions.csv", "id,target,prediction\n1,yes,perhaps\n", "class 'perhaps' is none of the model's"),
    ],
)
def test_damaged_runs_are_named(tmp_path: Path, file: str, content: str | None, words: str) -> None:
    run, _ = texts_run(tmp_path / "run")
    (run.path / file).unlink()
    if content is not None:
        (run.path / file).write_text(content)
    with pytest.raises(InputError, match=words) as error:
        write_report(run)
    assert file in str(error.value)
    assert "\n" not in str(error.value)
    assert not run.report.exists()
