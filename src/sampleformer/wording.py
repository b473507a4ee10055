"""Numbers, and numbers with their nouns, as people write them: the same in reports, tables and lines of the console."""

from __future__ import annotations

import math

_LEAST = 1e-4
_MOST = 1e9
"""Beyond these, numbers are written with an exponent."""


def number(value: object, digits: int = 4) -> str:
    """A number for a table or a sentence; other values as they are.

    Three or four digits count, all of them before the decimal point: a score that is exact has its zeros, as the ones
    above and below it.

    Args:
        value: The number. None or "": there is none. NaN: it is not defined.
        digits: Significant digits of a number from 0.1 on, and decimals of one from 0.01 on, 3 or 4; smaller ones have
            three significant digits.

    Example:
        >>> [number(value) for value in (0.98123, 1.0, 0.0, 12.345, 123.45, 17970.2, 0.00123)]
        ['0.9812', '1.000', '0.000', '12.35', '123.5', '17,970', '0.00123']
        >>> number(0.98123, 3), number(1.0, 3), number(12.345, 3), number(-1797.02, 3)
        ('0.981', '1.000', '12.3', '-1,797')
        >>> number(1234), number("12"), number(None), number(float("nan")), number(1.5e-7)
        ('1,234', '12', '–', 'not defined', '1.50e-07')
    """
    if value is None or value == "":
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):
        return "not defined"
    if value and not _LEAST <= abs(value) < _MOST:
        return f"{value:.2e}"
    return f"{value:,.{decimals(value, digits)}f}"


def decimals(value: float, digits: int = 4) -> int:
    """Digits behind the decimal point of `number`.

    Example:
        >>> decimals(0.5), decimals(0.99999), decimals(12.3), decimals(1e6)
        (4, 3, 2, 0)
    """
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    if exponent < -2:
        return 2 - exponent
    return digits if exponent < 0 else max(3 if exponent == 0 else 0, digits - 1 - exponent)


def amount(value: float) -> str:
    """A value of the user's kind, such as a price: as `number`, without zeros at the end.

    Example:
        >>> amount(13.0), amount(0.25), amount(1200.0), amount(12.3456)
        ('13', '0.25', '1,200', '12.35')
    """
    words = number(value)
    return words.rstrip("0").rstrip(".") if "." in words and "e" not in words else words


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun.

    Args:
        number: How many.
        one: What one is called.
        many: What several are called. Empty: as one, with an s.

    Example:
        >>> count(1, "token"), count(1024, "token"), count(2, "class", "classes")
        ('1 token', '1,024 tokens', '2 classes')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(share: float) -> str:
    r"""A share between 0 and 1 as a percentage, its sign joined by a space that does not break.

    Example:
        >>> percent(0.0625) == "6.2\N{NO-BREAK SPACE}%"
        True
    """
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"
