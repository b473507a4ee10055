"""Errors that a user can act on."""

import difflib
import re
import reprlib
from collections.abc import Iterable, Sequence

NAMES_SHOWN = 30
NAMES_LISTED = 12
LONGEST_NAME = 80
LONGEST_MESSAGE = 2000
_COMPARED = 2000
_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")  # an escaped surrogate, which stands for a byte that is not UTF-8


class InputError(ValueError):
    """What the user gave cannot be used: a file, a row, a column or a setting.

    The message is one line that says where, what was found and what is expected. The command line prints it and exits
    with code 2. What cannot be printed is escaped, and a long message loses its middle: names and values from a file
    may be anything.
    """

    def __str__(self) -> str:
        text = printable(super().__str__())
        if len(text) > LONGEST_MESSAGE:
            return f"{text[: LONGEST_MESSAGE // 2]} … {text[-LONGEST_MESSAGE // 4 :]}"
        return text


class Terminated(KeyboardInterrupt):
    """The system asked the program to end (SIGTERM), as a cluster does before it takes a machine away."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Words that help with a misspelt name: the nearest allowed one, and all of them if they are few.

    Example:
        >>> nearest("smasa", ["full", "samsa"])
        "did you mean 'samsa'? allowed: full, samsa"
        >>> nearest("sentiment", ["review"])  # nothing is near
        'allowed: review'
    """
    choices = sorted(one_line(choice, LONGEST_NAME) for choice in allowed)
    # Comparing takes the time of the product of both lengths.
    close = difflib.get_close_matches(name[:LONGEST_NAME], choices[:_COMPARED], n=1)
    close = close or [each for each in choices if _is_slip(name, each)]
    hint = f"did you mean {close[0]!r}? " if close else ""
    more = f", … ({len(choices)} in all)" if len(choices) > NAMES_SHOWN else ""
    return f"{hint}allowed: {', '.join(choices[:NAMES_SHOWN])}{more}"


def _is_slip(name: str, choice: str) -> bool:
    """Whether one name begins the other, or has its letters in another order, or one other letter."""
    if len(name) != len(choice):
        return min(len(name), len(choice)) > 2 and (name.startswith(choice) or choice.startswith(name))
    wrong = sum(one != other for one, other in zip(name, choice, strict=True))
    return len(name) > 1 and (wrong == 1 or sorted(name) == sorted(choice))


def listed(names: Sequence[str]) -> str:
    """The first few of some names, and how many there are if these are not all.

    Example:
        >>> listed(["a", "b"])
        'a, b'
    """
    more = f", … ({len(names):,} in all)" if len(names) > NAMES_LISTED else ""
    return ", ".join(one_line(name, LONGEST_NAME) or "''" for name in names[:NAMES_LISTED]) + more


def one_line(text: str, most: int | None = None) -> str:
    r"""A text for a message: line breaks and runs of blanks become a blank, what cannot be printed is escaped.

    Args:
        text: any text, such as the message of another package or a name from a file.
        most: characters that are kept. None: all.

    Example:
        >>> one_line("found\n  a\x1b[2Jb")
        'found a\\x1b[2Jb'
        >>> one_line("ma\udce9")
        'ma\\xe9'
    """
    if most is not None and len(text) > most:
        text = text[:most].rstrip() + " …"
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    r"""A text with escapes for line breaks and whatever else cannot be printed.

    Example:
        >>> printable("a\nb\udce9")
        'a\\nb\\xe9'
    """
    if text.isprintable():
        return text
    return _BYTE.sub(r"\\x\1", "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text))


def shown(value: object) -> str:
    r"""A value as messages show it: its ``repr``, cut at few values and characters, however large it is.

    Example:
        >>> shown([[1] * 1000] * 1000)
        '[[1, 1, 1, ...], [1, 1, 1, ...], [1, 1, 1, ...], ...]'
        >>> shown("ma\udce9")
        "'ma\\xe9'"
    """
    try:
        return _BYTE.sub(r"\\x\1", one_line(_SHORT.repr(value)))
    except ValueError:  # a number of more digits than Python writes
        return f"a very long {type(value).__name__}"


_SHORT = reprlib.Repr()
_SHORT.maxlevel = 3
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = _SHORT.maxset = _SHORT.maxarray = 3
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlong = 40
