"""What the benchmarks of time find out, as it is written to JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

# What is known of a cell whatever was measured. `pass` is a keyword of Python, so it cannot be a field of a class.
Cell = TypedDict(
    "Cell",
    {
        "pass": str,
        "n": int,
        "batch": int,
        "median_s": float,
        "min_s": float,
        "max_s": float,
        "peak_bytes": int | None,
        "device": str,
        "dtype": str,
        "threads": int,
        "torch": str,
    },
)


class Record(Cell):
    """A cell of one layer; ``own`` are arguments that its attention alone was given."""

    attention: str
    width: int
    heads: int
    sampled: int | None
    own: Mapping[str, Any]
    floor_s: float


class PartRecord(Cell):
    """A cell of one form of a part of an attention; None where it has no such size."""

    part: str
    form: str
    heads: int
    head_width: int
    sampled: int | None
    hashes: int | None
    code_length: int | None


class CloudRecord(Cell):
    """A cell of one model of point clouds; None where the model has no such size.

    ``ratios`` says how many times as many clouds a second as a peer, by the peer's name.
    """

    model: str
    parameters: int
    layers: int | None
    width: int | None
    heads: int | None
    sampled: int | None
    invariant: bool | None
    neighbours: int | None
    clouds_per_s: float
    ratios: Mapping[str, float]


@dataclass
class Results:
    """All measured cells of layers, in the order of pass, length and attention.

    Args:
        records: of the attentions.
        floors: of the token-wise floor, under the name ``floor``, one for each pass and length.
        skipped: what was left out and why, in words.
    """

    records: list[Record] = field(default_factory=list)
    floors: list[Record] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def cells(records: Sequence[Record], direction: str, attention: str | None = None) -> list[Record]:
    """The records of one pass, and of one attention if it is given, by rising length."""
    chosen = [r for r in records if r["pass"] == direction and attention in (None, r["attention"])]
    return sorted(chosen, key=lambda record: record["n"])
