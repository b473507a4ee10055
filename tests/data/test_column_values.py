"""Values of table columns as class names and numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data.column_values import as_float, label_text, parse_flags, parse_labels, parse_numbers
from sampleformer.data.report import RowReport
from sampleformer.data.table import Table
from sampleformer.errors import InputError


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


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.booleans())
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
        ([1], "[1]"),
    ],
)
def test_number_that_is_none_names_row_column_and_value(value: object, shown: str) -> None:
    of = table(x=["1", value, "3"], y=["1", "2", "3"])
    with pytest.raises(InputError) as caught:
        parse_numbers(of, ["y", "x"], report(of))
    assert str(caught.value) == f"a.csv: row 2: column 'x': found {shown}, expected a finite number"


def test_wrong_numbers_are_skipped_and_counted() -> None:
    of = table(x=["1", "nan", "3", "x"])
    found = report(of, "skip")
    values = parse_numbers(of, ["x"], found)
    assert found.kept(4).tolist() == [0, 2]
    assert values[[0, 2], 0].tolist() == [1, 3]
    assert found.skipped == 2


def test_missing_label() -> None:
    of = table(y=["a", "", "b"])
    with pytest.raises(InputError, match="^a.csv: row 2: column 'y': the label is missing$"):
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


@pytest.mark.parametrize(("value", "shown"), [("2", "found 2, expected 0, 1"), ("x", "found 'x', expected a finite")])
def test_flag_that_is_none(value: str, shown: str) -> None:
    of = table(a=["0", "1", value])
    with pytest.raises(InputError, match=f"row 3: column 'a': {shown}"):
        parse_flags(of, ["a"], report(of))
