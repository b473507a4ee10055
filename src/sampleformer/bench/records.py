"""What the benchmark of speed finds out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

# One measured cell, as it is written to JSON. `pass` is a keyword of Python, so it cannot be a field of a class.
Record = TypedDict(
    "Record",
    {
        "attention": str,
        "pass": str,
        "n": int,
        "batch": int,
        "width": int,
        "heads": int,
        "sampled": int | None,
        "median_s": float,
        "min_s": float,
        "max_s": float,
        "peak_bytes": int | None,
        "floor_s": float,
        "device": str,
        "dtype": str,
        "threads": int,
        "torch": str,
    },
)


@dataclass
class Results:
    """All measured cells, in the order of pass, length and attention.

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
