"""Values of table columns as class names and numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.errors import InputError
from sampleformer.tables.fields import RecordColumn
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table
from sampleformer.tables.values import (
    LARGEST,
    as_flag,
    as_float,
    label_text,
    parse_flags,
    parse_labels,
    parse_number_targets,
    parse_numbers,
)


def table(**columns: list) -> Table:
    return Table("a.csv", columns, range(1, 1 + len(next(iter(columns.values())))))


def report(of: Table, on_error: str = "stop") -> RowReport:
    return RowReport(of.path, of.place, on_error)


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("pos", "pos"),
        (" pos ", "pos"),
        ("1", "1"),
        ("1.0", "1"),
        (1.0, "1"),
        (1, "1"),
        ("-2.00", "-2"),
        ("1.5", "1.5"),
        ("007", "007"),
        (True, "True"),
        ("", None),
        ("  ", None),
        (None, None),
        (math.nan, None),
        ("nan", "nan"),
    ],
)
def test_label_text(value: object, label: str | None) -> None:
    assert label_text(value) == label


@pytest.mark.parametrize("value", ["", "abc", None, "1_000", [1], "1,5", 10**400])
def test_what_is_no_number(value: object) -> None:
    assert as_float(value) is None


@given(st.lists(st.floats(-LARGEST, LARGEST), min_size=1), st.booleans())
def test_numbers_come_back_exactly(values: list[float], as_text: bool) -> None:
    of = table(x=[repr(value) for value in values] if as_text else values)
    assert parse_numbers(of, ["x"], report(of))[:, 0].tolist() == values


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("nan", "'nan'"),
        ("inf", "'inf'"),
        ("-Infinity", "'-Infinity'"),
        ("", "an empty field"),
        (None, "an empty field"),
        ("abc", "'abc'"),
        ("1_0", "'1_0'"),
        (math.nan, "nan"),
        ([1], "a list of 1 value"),
        ({"a": 1}, "an object of 1 name"),
        ("2020-01-31", "the date '2020-01-31'"),
        ("x" * 5000, None),
        ("9" * 5000, None),
    ],
)
def test_number_that_is_none_names_row_column_and_value(value: object, shown: str | None) -> None:
    of = table(x=["1", value, "3"], y=["1", "2", "3"])
    with pytest.raises(InputError) as caught:
        parse_numbers(of, ["y", "x"], report(of))
    message = str(caught.value)
    assert message.startswith(f"a.csv: row 2: column 'x': found {'' if shown is None else shown}")
    assert message.endswith(", expected a finite number")
    assert len(message) < 200


def test_wrong_numbers_are_skipped_and_counted() -> None:
    of = table(x=["1", "nan", "3", "x"])
    found = report(of, "skip")
    values = parse_numbers(of, ["x"], found)
    assert found.kept(4).tolist() == [0, 2]
    assert values[[0, 2], 0].tolist() == [1, 3]
    assert found.skipped == 2


def test_missing_label() -> None:
    of = table(y=["a", "", "b"])
    with pytest.raises(
        InputError, match="^a.csv: row 2: column 'y': the label is missing; --on-error skip leaves such rows out$"
    ):
        parse_labels(of, "y", report(of))


def test_nan_among_numbers_is_no_class() -> None:
    of = table(y=["0", "1", "nan"])
    with pytest.raises(InputError, match="row 3: column 'y': found 'nan' among numbers"):
        parse_labels(of, "y", report(of))


def test_nan_among_names_is_a_name() -> None:
    of = table(y=["cmn", "nan", "yue"])
    assert parse_labels(of, "y", report(of)).tolist() == ["cmn", "nan", "yue"]


def test_flags_may_be_missing() -> None:
    of = table(a=["0", "1", ""], b=[1, None, 0])
    expected = np.array([[0, 1], [1, np.nan], [np.nan, 0]])
    assert np.array_equal(parse_flags(of, ["a", "b"], report(of)), expected, equal_nan=True)


@pytest.mark.parametrize(("value", "shown"), [("2", "found '2', expected 0 or 1"), ("x", "found 'x', expected 0 or 1")])
def test_flag_that_is_none(value: str, shown: str) -> None:
    of = table(a=["0", "1", value])
    with pytest.raises(InputError, match=f"row 3: column 'a': {shown}"):
        parse_flags(of, ["a"], report(of))


@pytest.mark.parametrize("yes", ["1", "1.0", 1, 1.0, True, "True", "TRUE", "true", "yes", "Y", "t"])
@pytest.mark.parametrize("no", ["0", "0.0", 0, 0.0, False, "False", "FALSE", "false", "No", "n", "F"])
def test_flags_as_other_programs_write_them(yes: object, no: object) -> None:
    of = table(a=[no, yes, None])
    assert np.array_equal(parse_flags(of, ["a"], report(of))[:, 0], [0, 1, np.nan], equal_nan=True)


@pytest.mark.parametrize("value", ["", None, "2", "-1", "maybe", [1], {"a": 1}, math.nan])
def test_what_is_no_flag(value: object) -> None:
    assert as_flag(value) is None


@pytest.mark.parametrize("words", [["True", "False"], ["TRUE", "FALSE"], [True, False]])
def test_numbers_of_a_column_of_true_and_false(words: list) -> None:
    of = table(x=words, y=["1", "2"])
    assert parse_numbers(of, ["x", "y"], report(of)).tolist() == [[1, 1], [0, 2]]


def test_true_among_other_numbers_is_none() -> None:
    of = table(x=["1.5", "True"])
    with pytest.raises(InputError, match="row 2: column 'x': found 'True'"):
        parse_numbers(of, ["x"], report(of))


@pytest.mark.parametrize("value", ["1e39", "-1e39", 1e300, "1" + "0" * 39, 10**39, math.inf])
@pytest.mark.parametrize("targets", [False, True])
def test_number_beyond_single_precision(value: object, targets: bool) -> None:
    of = table(x=["1", value, "3"])
    with pytest.raises(InputError, match="a.csv: row 2: column 'x': found .*, expected a (number of at most|finite)"):
        parse_number_targets(of, ["x"], report(of)) if targets else parse_numbers(of, ["x"], report(of))


@pytest.mark.parametrize("value", [["a"], {"a": 1}, [], ("a", "b"), np.zeros(2), b"\xff"])
def test_label_that_is_no_value(value: object) -> None:
    of = table(y=["a", value, "b"])
    with pytest.raises(InputError, match="row 2: column 'y': found (a list|an object|bytes).*, expected a class"):
        parse_labels(of, "y", report(of))


@pytest.mark.parametrize("label", ["9007199254740993", 2**53 + 1, "00012345678901234567890", "1e400", "A" * 100_000])
def test_labels_are_neither_rounded_nor_cut(label: object) -> None:
    of = table(y=["a", label])
    assert parse_labels(of, "y", report(of))[1] == str(label)


@pytest.mark.parametrize("value", ["9007199254740993", 2**53 + 1, "12345678901234567891234567890"])
def test_whole_number_that_is_rounded_is_said(value: object, caplog: pytest.LogCaptureFixture) -> None:
    of = table(x=["1", value])
    parse_numbers(of, ["x"], report(of))
    assert f"a.csv: row 2: column 'x': found '{value}', of which the last digits are lost" in caplog.text


@pytest.mark.parametrize("value", ["9007199254740992", 1e30, "0.12345678901234567"])
def test_number_that_is_exact_enough_is_not_said(value: object, caplog: pytest.LogCaptureFixture) -> None:
    of = table(x=["1", value])
    parse_numbers(of, ["x"], report(of))
    assert not caplog.text


@pytest.mark.parametrize(
    ("text", "number"), [("1,5", 1.5), ("-0,25", -0.25), ("3", 3.0), ("1,5e3", 1500.0), (",5", 0.5), (" 2,0 ", 2.0)]
)
def test_decimal_comma(text: str, number: float) -> None:
    of = Table("a.csv", {"x": [text, "1,0"]}, [1, 2], decimal=",")
    assert parse_numbers(of, ["x"], report(of)).tolist() == [[number], [1.0]]


@pytest.mark.parametrize("text", ["1.5", "1.250,5", "1,2,3", "1.000"])
def test_point_where_the_comma_is_the_decimal_mark(text: str) -> None:
    of = Table("a.csv", {"x": ["1,0", text]}, [1, 2], decimal=",")
    with pytest.raises(InputError, match="row 2: column 'x': found .*, expected a finite number with a decimal comma"):
        parse_numbers(of, ["x"], report(of))


@pytest.mark.parametrize("text", ["1,5", "1,250", "-3,0"])
def test_comma_that_nobody_declared_is_refused_with_the_remedy(text: str) -> None:
    of = table(x=["1.0", text])
    with pytest.raises(InputError, match="row 2: column 'x': found .*; give --decimal , if its comma"):
        parse_numbers(of, ["x"], report(of))


def test_several_number_targets_may_have_gaps() -> None:
    of = table(a=["1", "", "3"], b=["4", "5", None])
    values = parse_number_targets(of, ["a", "b"], report(of))
    assert np.array_equal(values, [[1, 4], [np.nan, 5], [3, np.nan]], equal_nan=True)


def test_row_without_any_number_target() -> None:
    of = table(a=["1", "", "3"], b=["4", None, "6"])
    with pytest.raises(InputError, match="row 2: columns 'a', 'b': all targets are missing"):
        parse_number_targets(of, ["a", "b"], report(of))


def test_one_number_target_has_no_gaps() -> None:
    of = table(a=["1", ""])
    with pytest.raises(InputError, match="row 2: column 'a': found an empty field"):
        parse_number_targets(of, ["a"], report(of))


def both_ways(rows: list[list[str]], decimal: str = ".") -> list[Table]:
    """A table that is kept by columns and the same one kept by records."""
    names = [f"c{place}" for place in range(len(rows[0]))]
    turned = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    records = {name: RecordColumn(rows, place) for place, name in enumerate(names)}
    return [Table("a.csv", columns, range(1, len(rows) + 1), decimal=decimal) for columns in (turned, records)]


NUMBERS = st.sampled_from(
    ["1", " 2.5 ", "-1e3", "0x1", "1_0", "", "nan", "inf", "1,5", "1.5", "true", "False", "x", "9" * 40]
)


@given(
    st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=4), st.sampled_from(".,"), st.booleans()
)
def test_records_hold_the_numbers_of_their_columns(rows: list[list[str]], decimal: str, missing: bool) -> None:
    found = []
    for each in both_ways(rows, decimal):
        for on_error in ("stop", "skip"):
            told = report(each, on_error)
            try:
                values: object = parse_numbers(each, ["c2", "c0"], told, missing).tolist()
            except InputError as error:
                values = str(error)
            found.append((repr(values), told.wrong))
    assert found[:2] == found[2:]


@pytest.mark.parametrize("values", [[1, "1_000"], ["1_000", 1]])
def test_texts_are_read_alike_wherever_they_stand(values: list) -> None:
    given = table(a=values)
    with pytest.raises(InputError, match="column 'a': found '1_000'"):
        parse_numbers(given, ["a"], report(given))
