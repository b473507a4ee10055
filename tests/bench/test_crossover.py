"""Where one attention becomes faster than another, on made-up times."""

import math

import pytest

from sampleformer.bench.crossover import crossover


def test_powers_cross_where_they_are_equal() -> None:
    lengths = [500, 1000, 2000, 8000]
    linear, square = [3e-6 * n for n in lengths], [2e-9 * n**2 for n in lengths]
    assert crossover(lengths, linear, square) == pytest.approx(
        1500
    )  # between 1000 and 2000, though not in their middle


def test_faster_everywhere_is_zero() -> None:
    assert crossover([10, 20], [1.0, 1.0], [2.0, 3.0]) == 0


@pytest.mark.parametrize("last", [1.0, 0.5])
def test_not_faster_at_the_longest_is_infinite(last: float) -> None:
    assert math.isinf(crossover([10, 20, 40], [1.0, 1.0, 1.0], [0.5, 2.0, last]))


def test_the_last_of_several_crossings_counts() -> None:
    found = crossover([1, 2, 4, 8], [1.0, 1.0, 1.0, 1.0], [2.0, 3.0, 0.5, 2.0])
    assert found == pytest.approx(math.sqrt(4 * 8))


def test_equal_times_at_a_length_are_the_crossing() -> None:
    assert crossover([100, 200], [1.0, 1.0], [1.0, 4.0]) == pytest.approx(100)


def test_one_length() -> None:
    assert crossover([100], [1.0], [2.0]) == 0
    assert math.isinf(crossover([100], [2.0], [1.0]))


@pytest.mark.parametrize(("lengths", "seconds"), [([], []), ([1, 2], [1.0])])
def test_one_time_for_each_length(lengths: list[int], seconds: list[float]) -> None:
    with pytest.raises(ValueError, match="expected one or more of each"):
        crossover(lengths, seconds, seconds)
