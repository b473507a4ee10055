"""How the benchmarks read their options."""

import argparse
import math
from collections.abc import Iterable
from pathlib import Path

from sampleformer.errors import InputError, nearest

LONGEST = 2**30


def add_measuring_options(parser: argparse.ArgumentParser, *, limit_seconds: float) -> None:
    """Adds what every benchmark of time can be told.

    Args:
        parser: that gets the options.
        limit_seconds: default of ``--limit-seconds``.
    """
    add = parser.add_argument
    add("--passes", default="forward,train", metavar="NAMES", help="forward, train or both (default: both)")
    add("--batch", type=int, default=1, metavar="B", help="token sets at once (default: %(default)s)")
    add("--dtype", default="float32", help="float32, bfloat16, float16 or float64 (default: %(default)s)")
    add("--device", default="cpu", help="cpu, cuda or mps (default: %(default)s)")
    add("--threads", type=int, default=None, metavar="T", help="of torch on the CPU (default: torch's own choice)")
    add("--repeats", type=int, default=7, metavar="R", help="timed passes of each cell (default: %(default)s)")
    add(
        "--limit-seconds",
        type=float,
        default=limit_seconds,
        metavar="S",
        help="leave out a cell whose passes would together take longer (default: %(default)g)",
    )
    add(
        "--return-memory",
        action="store_true",
        help="let glibc hand freed memory back at once, as it does in programs that do not ask it to keep it",
    )
    add("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    add("--json", default=None, metavar="FILE", help="write the measurements there; an existing file is replaced")


def check_positive(arguments: argparse.Namespace, *names: str) -> None:
    """Refuses counts below one; what was not given is left alone."""
    for name in names:
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')}: {value}, expected at least 1")


def check_at_most(arguments: argparse.Namespace, name: str, largest: int) -> None:
    """Refuses a number above the largest that is allowed."""
    value = getattr(arguments, name)
    if value > largest:
        raise InputError(f"--{name.replace('_', '-')}: {value}, expected at most {largest}")


def check_seconds(seconds: float) -> None:
    """Refuses a ``--limit-seconds`` that is no time."""
    if not (seconds > 0 and math.isfinite(seconds)):
        raise InputError(f"--limit-seconds: {seconds}, expected more than 0")


def check_seed(seed: int) -> None:
    """Refuses a ``--seed`` that torch's generators do not take."""
    if not -(2**63) <= seed < 2**63:
        raise InputError(f"--seed: {seed}, expected an integer of 64 bits")


def one_name(option: str, name: str, allowed: Iterable[str]) -> str:
    """A name that is allowed."""
    if name not in allowed:
        raise InputError(f"{option}: {name!r} is unknown; {nearest(name, allowed)}")
    return name


def several_names(option: str, text: str, allowed: Iterable[str]) -> tuple[str, ...]:
    """Names between commas, each once."""
    return tuple(dict.fromkeys(one_name(option, part, allowed) for part in _parts(option, text)))


def several_numbers(option: str, text: str, *, of: str, largest: int = LONGEST) -> tuple[int, ...]:
    """Counts between commas, rising.

    Args:
        option: that they were given with.
        text: what was given.
        of: what they count, for the message.
        largest: that is allowed.
    """
    numbers = set()
    for part in _parts(option, text):
        if not (part.isascii() and part.isdigit() and len(part) <= 10) or not 1 <= int(part) <= largest:
            raise InputError(
                f"{option}: {part!r}, expected whole numbers of {of} from 1 to {largest}, separated by commas"
            )
        numbers.add(int(part))
    return tuple(sorted(numbers))


def device(name: str, dtype: str) -> str:
    """A device of this machine that computes in this dtype."""
    import torch

    one_name("--device", name, ("cpu", "cuda", "mps"))
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available[name]:
        found = ", ".join(device for device, there in available.items() if there)
        raise InputError(f"--device: {name} is not available on this machine; available: {found}")
    if name == "mps" and dtype == "float64":
        raise InputError("--dtype: float64 does not exist on mps, expected float32, bfloat16 or float16")
    return name


def json_path(name: str | None) -> Path | None:
    """The file of ``--json``."""
    return None if name is None else Path(name)


def png_path(name: str | None) -> Path | None:
    """The file of ``--plot``."""
    if name is not None and Path(name).suffix.lower() != ".png":
        raise InputError(f"--plot: {name!r}, expected a file name that ends in .png")
    return None if name is None else Path(name)


def _parts(option: str, text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise InputError(f"{option}: nothing given, expected one or more, separated by commas")
    return parts
