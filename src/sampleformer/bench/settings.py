"""What the benchmark of speed is asked to do."""

import argparse
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sampleformer.errors import InputError, nearest

PASSES = ("forward", "train")
DTYPES = ("float32", "bfloat16", "float16", "float64")
LONGEST = 2**30


@dataclass(frozen=True)
class SpeedSettings:
    """Settings of the benchmark of speed, checked.

    Args:
        attentions: registered names.
        lengths: numbers of tokens, rising.
        passes: ``forward``, ``train`` or both.
        width: d of the layer; its MLP is four times as wide inside.
        heads: of the attention; divides the width.
        sampled: k, for attentions that sample.
        batch: token sets at once.
        dtype: of weights and features, by torch's name.
        device: ``cpu``, ``cuda`` or ``mps``.
        repeats: timed passes of each cell.
        threads: of torch; None: as many as it takes by itself.
        limit_seconds: a cell that would take longer is left out.
        seed: of weights, features and noise.
        json: file to write the records to.
        plot: PNG file to draw.
    """

    attentions: tuple[str, ...]
    lengths: tuple[int, ...]
    passes: tuple[str, ...] = PASSES
    width: int = 128
    heads: int = 8
    sampled: int = 256
    batch: int = 1
    dtype: str = "float32"
    device: str = "cpu"
    repeats: int = 7
    threads: int | None = None
    limit_seconds: float = 600.0
    seed: int = 0
    json: Path | None = None
    plot: Path | None = None

    @classmethod
    def read(cls, arguments: argparse.Namespace) -> "SpeedSettings":
        """Settings from the command line.

        Raises:
            InputError: if one cannot be.
        """
        from sampleformer.attention import ATTENTIONS

        for name in ("width", "heads", "sampled", "batch", "repeats", "threads"):
            value = getattr(arguments, name)
            if value is not None and value < 1:
                raise InputError(f"--{name}: {value}, expected at least 1")
        if arguments.width % arguments.heads:
            raise InputError(f"--heads: {arguments.heads}, expected a divisor of --width, which is {arguments.width}")
        if not (arguments.limit_seconds > 0 and math.isfinite(arguments.limit_seconds)):
            raise InputError(f"--limit-seconds: {arguments.limit_seconds}, expected more than 0")
        if not -(2**63) <= arguments.seed < 2**63:
            raise InputError(f"--seed: {arguments.seed}, expected an integer of 64 bits")
        return cls(
            attentions=_names("--attentions", arguments.attentions, ATTENTIONS),
            lengths=_lengths(arguments.lengths),
            passes=_names("--passes", arguments.passes, PASSES),
            width=arguments.width,
            heads=arguments.heads,
            sampled=arguments.sampled,
            batch=arguments.batch,
            dtype=_name("--dtype", arguments.dtype, DTYPES),
            device=_device(arguments.device, arguments.dtype),
            repeats=arguments.repeats,
            threads=arguments.threads,
            limit_seconds=arguments.limit_seconds,
            seed=arguments.seed,
            json=None if arguments.json is None else Path(arguments.json),
            plot=_png(arguments.plot),
        )


def _names(option: str, text: str, allowed: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_name(option, part, allowed) for part in _parts(option, text)))


def _name(option: str, name: str, allowed: Iterable[str]) -> str:
    if name not in allowed:
        raise InputError(f"{option}: {name!r} is unknown; {nearest(name, allowed)}")
    return name


def _lengths(text: str) -> tuple[int, ...]:
    lengths = set()
    for part in _parts("--lengths", text):
        if not (part.isascii() and part.isdigit() and len(part) <= 10) or not 1 <= int(part) <= LONGEST:
            raise InputError(
                f"--lengths: {part!r}, expected whole numbers of tokens from 1 to {LONGEST}, separated by commas"
            )
        lengths.add(int(part))
    return tuple(sorted(lengths))


def _parts(option: str, text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise InputError(f"{option}: nothing given, expected one or more, separated by commas")
    return parts


def _device(name: str, dtype: str) -> str:
    import torch

    _name("--device", name, ("cpu", "cuda", "mps"))
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available[name]:
        found = ", ".join(device for device, there in available.items() if there)
        raise InputError(f"--device: {name} is not available on this machine; available: {found}")
    if name == "mps" and dtype == "float64":
        raise InputError("--dtype: float64 does not exist on mps, expected float32, bfloat16 or float16")
    return name


def _png(name: str | None) -> Path | None:
    if name is not None and Path(name).suffix.lower() != ".png":
        raise InputError(f"--plot: {name!r}, expected a file name that ends in .png")
    return None if name is None else Path(name)
