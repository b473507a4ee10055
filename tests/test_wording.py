"""Numbers and nouns as people write them."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.wording import count, decimals, number


@given(st.floats(1e-4, 1e8, allow_nan=False), st.sampled_from([3, 4]), st.sampled_from([-1, 1]))
def test_ordinary_numbers_have_no_exponent_and_three_digits_at_least(size: float, digits: int, sign: int) -> None:
    words = number(sign * size, digits)
    assert re.fullmatch(r"-?[\d,]+(\.\d+)?", words)
    shown = float(words.replace(",", ""))
    assert math.isclose(shown, sign * size, rel_tol=0.5 * 10 ** (1 - digits) if size >= 0.1 else 0.05)
    assert len(words.strip("-0.").replace(",", "").replace(".", "")) <= max(digits + 1, len(str(int(size))) + 1)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.0, "1.000"),
        (0.99999, "1.000"),
        (0.5, "0.5000"),
        (17970.0, "17,970"),
        (1797.4, "1,797"),
        (999.96, "1,000"),
        (0.0999, "0.0999"),
        (1e-9, "1.00e-09"),
        (2e12, "2.00e+12"),
        (True, "True"),
        ("a", "a"),
        ("", "–"),
    ],
)
def test_numbers_of_all_sizes(value: object, words: str) -> None:
    assert number(value) == words


def test_an_error_has_the_decimals_of_its_score() -> None:
    assert [decimals(value, 3) for value in (0.0, 0.98, 1.0, 9.99, 56.2, 562.0, 0.0123)] == [3, 3, 3, 3, 1, 0, 3]


def test_nouns_of_one_and_of_several() -> None:
    assert [count(number, "class", "classes") for number in (0, 1, 2)] == ["0 classes", "1 class", "2 classes"]
