"""Samples as plain arrays, and what of these arrays belongs to one sample."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sampleformer.data.samples import TargetRows
from sampleformer.data.token_sets import OF_EDGES, OF_TOKENS, TokenSets
from sampleformer.errors import shown

PARTS = ("train", "valid", "test")
NO_PART = 255
"""Part of a sample that is left out."""
INDEX = (
    "checksums",
    "edge_offsets",
    "id_offsets",
    "name_offsets",
    "offsets",
    "parts",
    "places",
    "source_offsets",
    "target_offsets",
    "targets",
)
"""Arrays with one entry for each sample, which a training reads when it starts."""
_OFFSETS = (
    dict.fromkeys(OF_TOKENS, "offsets")
    | dict.fromkeys(OF_EDGES, "edge_offsets")
    | {"names": "name_offsets", "ids": "id_offsets", "sources": "source_offsets"}
    | {"target_values": "target_offsets", "pairs": "target_offsets"}
)
"""Offsets of the samples in each array with several entries for a sample."""
_TEXTS = ("names", "ids", "sources")


def pack(
    sets: TokenSets,
    targets: np.ndarray | TargetRows | None,
    ids: Sequence[str],
    parts: np.ndarray,
    places: np.ndarray,
) -> dict[str, np.ndarray]:
    """The arrays of a shard; texts become bytes.

    Args:
        sets: Token sets of n samples.
        targets: Targets as `Samples` takes them.
        ids: Name of each sample.
        parts: Number in `PARTS` of the part of each sample, ``(n,)`` uint8, or `NO_PART`.
        places: Place of each sample in its part, ``(n,)`` int64; others may lie between.

    Example:
        >>> sets = TokenSets(np.array([7, 8, 9]), np.array([0, 2, 3]), ["a b", "c"])
        >>> arrays = pack(sets, np.array([0, 1]), ["x", "y"], np.zeros(2, np.uint8), np.arange(2))
        >>> arguments(arrays, 1)["source"], text_of(arrays, "ids", 0)
        ('c', 'x')
    """
    packed: dict[str, np.ndarray] = {"parts": parts.astype(np.uint8), "places": places.astype(np.int64)}
    packed["offsets"] = np.asarray(sets.offsets, np.int64)
    for name in (*OF_TOKENS, *OF_EDGES, "edge_offsets", "descriptors"):
        if (value := getattr(sets, name)) is not None:
            packed[name] = np.asarray(value)
    if sets.names is not None and sets.names.dtype.kind in "OUS":
        lists = [sets.names[start:stop].tolist() for start, stop in zip(sets.offsets, sets.offsets[1:], strict=False)]
        packed["names"], packed["name_offsets"] = _texts([json.dumps(each, ensure_ascii=False) for each in lists])
    elif sets.names is not None:
        packed["name_offsets"] = packed["offsets"]
    packed["ids"], packed["id_offsets"] = _texts(ids)
    if sets.sources is not None:
        packed["sources"], packed["source_offsets"] = _texts(sets.sources)
    if sets.directed:
        packed["directed"] = np.ones(1, np.uint8)
    packed |= _targets(targets)
    packed["checksums"] = np.array([checksum(packed, row) for row in range(len(ids))], np.uint32)
    return {name: np.ascontiguousarray(value) for name, value in packed.items()}


def checksum(arrays: Mapping[str, np.ndarray], row: int) -> int:
    """The CRC-32 of what a sample holds: of its arrays in the order of their names."""
    found = 0
    for _, value in sorted(held(arrays, row).items()):
        found = zlib.crc32(np.ascontiguousarray(value).view(np.uint8).data if value.size else b"", found)
    return found


def arguments(arrays: Mapping[str, np.ndarray], row: int) -> dict[str, Any]:
    """What one sample holds, as arguments of `Sample`, but for its target and its name."""
    found: dict[str, Any] = held(arrays, row)
    for name in ("ids", "target_values", "pairs"):
        found.pop(name, None)
    if "sources" in found:
        found["source"] = _text(found.pop("sources"))
    if "names" in found and arrays["names"].dtype == np.uint8:
        found["names"] = np.array(json.loads(_text(found["names"])), dtype=object)
    if "names" in found and found["names"].shape != found["features"].shape[:1]:
        raise ValueError(f"names: found {shown(found['names'].tolist())}, expected one for each token")
    return found | {"directed": "directed" in arrays}


def text_of(arrays: Mapping[str, np.ndarray], name: str, row: int) -> str:
    """The text of one sample in an array of texts."""
    offsets = arrays[_OFFSETS[name]]
    return _text(arrays[name][offsets[row] : offsets[row + 1]])


def held(arrays: Mapping[str, np.ndarray], row: int) -> dict[str, np.ndarray]:
    """What the arrays of a shard hold of one sample."""
    found = {}
    for name, of in _OFFSETS.items():
        if name in arrays:
            offsets = arrays[of]
            found[name] = arrays[name][offsets[row] : offsets[row + 1]]
    if "descriptors" in arrays:
        found["descriptors"] = arrays["descriptors"][row]
    return found


def _targets(targets: np.ndarray | TargetRows | None) -> dict[str, np.ndarray]:
    if targets is None or (isinstance(targets, TargetRows) and targets.values is None and targets.pairs is None):
        return {}
    if isinstance(targets, np.ndarray):
        return {"targets": targets}
    rows = {"target_values": targets.values, "pairs": targets.pairs}
    return {name: value for name, value in rows.items() if value is not None} | {"target_offsets": targets.offsets}


def _texts(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Texts in UTF-8, one after the other, and where each begins."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in encoded], dtype=np.int64)]).astype(np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), offsets


def _text(values: np.ndarray) -> str:
    return values.tobytes().decode("utf-8", "surrogatepass")
