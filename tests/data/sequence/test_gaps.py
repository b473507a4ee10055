"""Gaps in tables of numbers."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sampleformer.data import Encoding, NumberTable, PreparedFolder
from sampleformer.data.descriptors import InputNumbers
from sampleformer.data.prepared import prepare
from sampleformer.data.sequence.number_columns import NumberColumns
from sampleformer.errors import InputError
from sampleformer.tables.report import RowReport

GAPS = {1: "", 4: "NaN", 6: "n/a", 11: "NULL", 17: " "}


def write(path: Path, rows: list[list[Any]], header: str = "age,income,state") -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Forty rows, five of them without an age."""
    return write(tmp_path / "people.csv", [[GAPS.get(n, 20 + n % 9), n % 7, "ab"[n % 2]] for n in range(40)])


def test_a_gap_is_a_token_without_a_value(people: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    splits = NumberTable(people, "state").load()
    assert caplog.messages.count(f"{people}: gaps: age 5") == 1
    assert splits.encoding.model_inputs == {"features": 1, "length": 2, "gaps": True}
    known = []
    for part in (splits.train, splits.valid, splits.test):
        for sample in part:
            missing = int(sample.id) - 1 in GAPS
            assert np.isnan(sample.features[:, 0]).tolist() == [missing, False]
            assert (splits.encoding.pieces(sample)[0] == "age = missing") == missing
            known += [] if missing or part is not splits.train else [sample.features[0, 0]]
    assert np.mean(known) == pytest.approx(0, abs=1e-6)
    assert np.std(known) == pytest.approx(1, abs=1e-6)


def test_new_rows_may_have_gaps_too(people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    NumberTable(people, "state").load().encoding.save(tmp_path / "encoding.json")
    encoding = Encoding.load(tmp_path / "encoding.json")
    assert set(encoding.gaps) == {"age"}
    features = encoding.read(write(tmp_path / "new.csv", [["", 3, ""], [25, "", ""]]), targets=False)
    assert np.isnan(features[0].features[:, 0]).tolist() == [True, False]
    assert features[1].features[1, 0] == 0  # the mean: the training part taught nothing about it
    assert [line for line in caplog.messages if "count as the mean" in line] == [
        f"{tmp_path / 'new.csv'}: gaps count as the mean where the training part had none: income"
    ]
    ((samples, wrong),) = encoding.given([{"age": None, "income": 1}, [float("nan"), 2]])
    assert wrong == {}
    assert all(np.isnan(sample.features[0, 0]) for sample in samples)
    schema = encoding.sample_schema["anyOf"]
    assert all("null" in column["type"] for column in schema[1]["properties"].values())


def test_a_column_of_nothing_but_gaps_is_refused_with_its_name(tmp_path: Path) -> None:
    rows = [
        ["", n, "" if n > 1 else 1, "ab"[n % 2], ["valid", "test"][n % 2] if n < 10 else "train"] for n in range(30)
    ]
    path = write(tmp_path / "a.csv", rows, "height,x,weight,state,part")
    with pytest.raises(InputError, match="found no number in the 20 rows .* in 'height', 'weight'; "):
        NumberTable(path, "state", valid="part", test="part").load()


@pytest.mark.parametrize("wrong", ["tall", "inf", "-", "1,5"])
def test_what_is_neither_a_number_nor_a_gap_is_wrong(people: Path, wrong: str) -> None:
    people.write_text(people.read_text() + f'"{wrong}",3,a\n')
    with pytest.raises(InputError, match=r"row 41 \(line 42\): column 'age': found"):
        NumberTable(people, "state").load()


def test_pixels_have_no_gaps(people: Path) -> None:
    with pytest.raises(InputError, match="row 2 .*column 'age': found an empty field, expected"):
        NumberTable(people, "state", values="pixels").load()


def test_a_training_that_begins_from_another_takes_the_gaps_of_both() -> None:
    other = NumberColumns(["a", "b", "c"], [1.0, 2, 3], [1.0, 1, 1], [0, 4, 5])
    both = NumberColumns(["a", "b", "c"], [0.0, 0, 0], [9.0, 9, 9], [2, 0, 7]).with_learnt(other)
    assert both.gaps == {"a": 2, "b": 4, "c": 7}
    assert both.shift.tolist() == other.shift.tolist()


def test_prepared_samples_have_the_gaps_of_the_table(people: Path, tmp_path: Path) -> None:
    source = NumberTable(people, "state")
    source.descriptors = [InputNumbers()]
    prepare(source, tmp_path / "prepared", workers=0)
    whole, again = source.load(), PreparedFolder(tmp_path / "prepared").load()
    assert again.encoding.gaps == whole.encoding.gaps
    for ours, theirs in zip(whole.train, again.train, strict=True):
        np.testing.assert_array_equal(ours.features, theirs.features)
        np.testing.assert_array_equal(ours.descriptors, theirs.descriptors)


def test_a_report_counts_gaps_of_several_tables() -> None:
    report = RowReport("a.csv", str)
    report.add_gaps(["a", "b"], np.array([[np.nan, 1.0], [np.nan, 2.0]]))
    report.add_gaps(["a", "b"], np.array([[np.nan, np.nan]]))
    assert report.gaps == {"a": 3, "b": 1}
