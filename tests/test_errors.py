"""Messages that a user can act on."""

import pytest

from sampleformer.errors import LONGEST_MESSAGE, InputError, nearest


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\x1b[2Jb", "a\ud800b", "a\0b", "a\u2028b"], ids=ascii)
def test_a_message_is_one_line_that_any_terminal_can_show(text: str) -> None:
    message = str(InputError(f"a.csv: found {text}"))
    assert message.isprintable()
    assert len(message.splitlines()) == 1


def test_a_long_message_keeps_its_ends() -> None:
    message = str(InputError(f"a.csv: found {'x' * 100_000}, expected a number"))
    assert len(message) < LONGEST_MESSAGE
    assert message.startswith("a.csv: found xxx")
    assert message.endswith("xxx, expected a number")


def test_blanks_in_names_stay_as_they_are() -> None:
    assert str(InputError("found 'a  b'")) == "found 'a  b'"


def test_the_nearest_of_very_many_or_very_long_names_takes_no_time() -> None:
    names = [f"{number}{'x' * 10_000}" for number in range(20_000)]
    assert len(nearest("9" + "x" * 100_000, names)) < 4000
