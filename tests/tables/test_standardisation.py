"""Mean and deviation without overflow, and numbers beside which all others vanish."""

import numpy as np
import pytest

from sampleformer.errors import InputError
from sampleformer.tables.report import RowReport
from sampleformer.tables.standardisation import check_scales, mean_and_deviation, standardised
from sampleformer.tables.values import LARGEST


def report(on_error: str = "stop") -> RowReport:
    return RowReport("a.csv", lambda row: f"row {row + 1}", on_error)


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e-20, 1.0, 1e20, 1e38, 1e150])
@pytest.mark.parametrize("shift", [0.0, 1e3, -1e6])
def test_mean_and_deviation_at_any_scale(scale: float, shift: float) -> None:
    plain = np.random.default_rng(0).normal(size=(200, 2)) + shift
    mean, deviation = mean_and_deviation(plain * scale)
    assert mean == pytest.approx(plain.mean(axis=0) * scale, rel=1e-9)
    assert deviation == pytest.approx(plain.std(axis=0) * scale, rel=1e-6)


def test_unknown_values_do_not_count() -> None:
    mean, deviation = mean_and_deviation(np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]]))
    assert mean.tolist() == [2.0, 0.0]
    assert deviation.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("value", [0.1, 0.3, 1e30, -7.0])
def test_a_constant_column_has_the_deviation_one(value: float) -> None:
    mean, deviation = mean_and_deviation(np.full((1000, 1), value))
    assert (mean.tolist(), deviation.tolist()) == ([value], [1.0])


@pytest.mark.parametrize("large", [1e12, -1e30, LARGEST])
@pytest.mark.parametrize("others", ["normal", "mostly zero"])
def test_number_beside_which_all_others_vanish(large: float, others: str) -> None:
    values = np.random.default_rng(0).normal(size=(60, 3))
    if others == "mostly zero":
        values[:50] = 0
    values[8, 1] = large
    with pytest.raises(InputError, match="a.csv: row 9: column 'b': found .* beside which most other values"):
        check_scales(values, ["a", "b", "c"], report())
    skipped = report("skip")
    check_scales(values, ["a", "b", "c"], skipped)
    assert list(skipped.wrong) == [8]


@pytest.mark.parametrize(
    "column",
    [
        np.r_[np.zeros(59), 1e30],
        np.full(60, 5.0),
        np.r_[np.linspace(0, 1, 59), 1e4],
        np.exp(np.linspace(-5, 15, 60)),
        np.r_[np.full(5, np.nan), np.arange(55.0)],
        1.7e9 + np.arange(60.0),
    ],
    ids=["one value", "constant", "outlier", "many sizes", "unknown", "times"],
)
def test_columns_that_a_model_sees(column: np.ndarray) -> None:
    found = report()
    check_scales(column[:, None], ["a"], found)
    assert not found.wrong


def test_new_value_too_far_from_the_training() -> None:
    with pytest.raises(InputError, match="row 2: column 'a': found 1e.20, too far from the mean of the training part"):
        standardised(np.array([[1.0], [1e20]]), np.zeros(1), np.full(1, 1e-5), ["a"], report())


def test_moments_of_pieces_are_those_of_the_whole() -> None:
    values = np.random.default_rng(1).normal(size=(57, 3)) * (1e-3, 1.0, 1e20) + (5, 0, -1e19)
    values[::7, 1] = np.nan
    mean, deviation = mean_and_deviation(values[:20], values[20:20], values[20:])
    np.testing.assert_allclose(mean, np.nanmean(values, axis=0), rtol=1e-12)
    np.testing.assert_allclose(deviation, np.nanstd(values, axis=0), rtol=1e-9)


@pytest.mark.parametrize("tiny", [5e-324, 1e-323, 1.5e-323])
def test_moments_of_the_smallest_numbers_are_finite(tiny: float) -> None:
    mean, deviation = mean_and_deviation(np.array([[-tiny], [0.0], [0.0]]))
    assert np.isfinite([*mean, *deviation]).all()
    assert deviation[0] >= 0
