"""Errors that a user can act on."""

import difflib
from collections.abc import Iterable

NAMES_SHOWN = 30


class InputError(ValueError):
    """What the user gave cannot be used: a file, a row, a column or a setting.

    The message is one line that says where, what was found and what is expected. The command line prints it and exits
    with code 2.
    """


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Words that help with a misspelt name: the nearest allowed one, and all of them if they are few.

    Example:
        >>> nearest("smasa", ["full", "samsa"])
        "did you mean 'samsa'? allowed: full, samsa"
    """
    choices = sorted(allowed)
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}? " if close else ""
    more = f", … ({len(choices)} in all)" if len(choices) > NAMES_SHOWN else ""
    return f"{hint}allowed: {', '.join(choices[:NAMES_SHOWN])}{more}"
