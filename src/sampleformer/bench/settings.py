"""What the benchmarks of time are asked to do."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sampleformer.bench import options
from sampleformer.errors import InputError
from sampleformer.settings import Component, override

PASSES = ("forward", "train")
DTYPES = ("float32", "bfloat16", "float16", "float64")


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """How time and memory are measured, whatever it is that takes them.

    Args:
        passes: ``forward``, ``train`` or both.
        batch: token sets at once.
        dtype: of weights and features, by torch's name.
        device: ``cpu``, ``cuda`` or ``mps``.
        repeats: timed passes of each cell.
        threads: of torch; None: as many as it takes by itself.
        limit_seconds: a cell that would take longer is left out.
        seed: of weights, features and noise.
        json: file to write the records to.
    """

    passes: tuple[str, ...] = PASSES
    batch: int = 1
    dtype: str = "float32"
    device: str = "cpu"
    repeats: int = 7
    threads: int | None = None
    limit_seconds: float = 600.0
    seed: int = 0
    json: Path | None = None

    @staticmethod
    def arguments(given: argparse.Namespace) -> dict[str, Any]:
        """This class's arguments, from the command line.

        Raises:
            InputError: if one cannot be.
        """
        options.check_positive(given, "batch", "repeats", "threads")
        options.check_seconds(given.limit_seconds)
        options.check_seed(given.seed)
        return {
            "passes": options.several_names("--passes", given.passes, PASSES),
            "batch": given.batch,
            "dtype": options.one_name("--dtype", given.dtype, DTYPES),
            "device": options.device(given.device, given.dtype),
            "repeats": given.repeats,
            "threads": given.threads,
            "limit_seconds": given.limit_seconds,
            "seed": given.seed,
            "json": options.json_path(given.json),
        }


@dataclass(frozen=True)
class SpeedSettings(Measuring):
    """Settings of the benchmark of layers, checked.

    Args:
        attentions: registered names.
        lengths: numbers of tokens, rising.
        width: d of the layer; its MLP is four times as wide inside.
        heads: of the attention; divides the width.
        sampled: k, for attentions that sample.
        own: further arguments of single attentions, by name.
        crossovers: JSON file for the table that the attention ``auto`` chooses by.
        plot: PNG file to draw.
    """

    attentions: tuple[str, ...]
    lengths: tuple[int, ...]
    width: int = 128
    heads: int = 8
    sampled: int = 256
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    crossovers: Path | None = None
    plot: Path | None = None

    @classmethod
    def read(cls, given: argparse.Namespace) -> "SpeedSettings":
        """Settings from the command line.

        Raises:
            InputError: if one cannot be.
        """
        from sampleformer.attention import ATTENTIONS

        options.check_positive(given, "width", "heads", "sampled")
        if given.width % given.heads:
            raise InputError(f"--heads: {given.heads}, expected a divisor of --width, which is {given.width}")
        attentions = options.several_names("--attentions", given.attentions, ATTENTIONS)
        return cls(
            attentions=attentions,
            lengths=options.several_numbers("--lengths", given.lengths, of="tokens"),
            width=given.width,
            heads=given.heads,
            sampled=given.sampled,
            own=_own_arguments(given.set or [], attentions, {"width": given.width, "heads": given.heads}),
            crossovers=None if given.crossovers is None else Path(given.crossovers),
            plot=options.png_path(given.plot),
            **cls.arguments(given),
        )


def _own_arguments(
    changes: Sequence[str], attentions: Sequence[str], given: Mapping[str, int]
) -> Mapping[str, Mapping[str, Any]]:
    """Arguments of single attentions, from ``attention.argument=value`` each; built once to see that they fit."""
    from sampleformer.attention import ATTENTIONS

    own: dict[str, Any] = {}
    for text in changes:
        place, equals, value = text.partition("=")
        attention, dot, argument = place.partition(".")
        if not (equals and dot and argument):
            raise InputError(f"--set: {text!r}, expected attention.argument=value, such as yoso.hashes=32")
        options.one_name("--set", attention, attentions)
        own = override(own, place, value)
    for attention, arguments in own.items():
        Component(name=attention, **arguments).build(ATTENTIONS, f"--set {attention}", **given)
    return own


@dataclass(frozen=True)
class PartsSettings(Measuring):
    """Settings of the benchmark of parts, checked.

    Args:
        parts: names of `PARTS`.
        lengths: numbers of tokens, rising; None: each part's own.
        heads: None: each part's own.
        head_width: e.
        sampled: k, of the score.
        hashes: m, of the mixing.
        code_length: τ, of the mixing.
    """

    parts: tuple[str, ...]
    lengths: tuple[int, ...] | None = None
    heads: int | None = None
    head_width: int = 32
    sampled: int = 256
    hashes: int = 16
    code_length: int = 9

    @classmethod
    def read(cls, given: argparse.Namespace) -> "PartsSettings":
        """Settings from the command line.

        Raises:
            InputError: if one cannot be.
        """
        from sampleformer.bench.part import PARTS
        from sampleformer.functional.bernoulli.checks import LONGEST_CODE

        options.check_positive(given, "heads", "head_width", "sampled", "hashes", "code_length")
        options.check_at_most(given, "code_length", LONGEST_CODE)
        lengths = given.lengths
        return cls(
            parts=options.several_names("--parts", given.parts, PARTS),
            lengths=None if lengths is None else options.several_numbers("--lengths", lengths, of="tokens"),
            heads=given.heads,
            head_width=given.head_width,
            sampled=given.sampled,
            hashes=given.hashes,
            code_length=given.code_length,
            **cls.arguments(given),
        )
