"""Samples of prepared data, read from their shards when they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from sampleformer.data.prepared.checking import Checks
from sampleformer.data.prepared.manifest import SHARDS, Manifest
from sampleformer.data.prepared.packing import INDEX, arguments, checksum, text_of
from sampleformer.data.prepared.shard import Layout, MappedShard, ShardEntry, index_digest, read_layout
from sampleformer.data.samples import TargetRows
from sampleformer.errors import InputError
from sampleformer.reading import reading

_MOST_OPEN = 256
"""Shards that are mapped at a time: systems limit the files that a process has open."""
_AT_ONCE = 64
"""Samples after which the memory of what was read is given back."""


class MappedSets:
    """Token sets of prepared data: to `Samples` what `TokenSets` is.

    In memory are the offsets, the parts and the targets: some thirty bytes for each sample. The rest is mapped, checked
    by its CRC-32 when it is read, and given back.

    Args:
        folder: Folder of prepared data.
        manifest: Its manifest.
        checks: What its arrays must be.

    Raises:
        InputError: if a shard is another than the manifest says, or is no shard of such data.
    """

    def __init__(self, folder: Path, manifest: Manifest, checks: Checks) -> None:
        self._checks = checks
        self._paths = [folder / SHARDS / entry.name for entry in manifest.shards]
        self._layouts: list[Layout] = []
        self._open: OrderedDict[int, MappedShard] = OrderedDict()
        self._touched: set[int] = set()
        self._reads = 0
        index = [self._read_index(path, entry) for path, entry in zip(self._paths, manifest.shards, strict=True)]
        self._starts = np.cumsum([0, *(len(each["parts"]) for each in index)])
        self.offsets = _joined(index, "offsets")
        self.edge_offsets = _joined(index, "edge_offsets") if "edge_offsets" in index[0] else None
        self.parts = np.concatenate([each["parts"] for each in index])
        self.places = np.concatenate([each["places"] for each in index])
        self._target_offsets = _joined(index, "target_offsets") if "target_offsets" in index[0] else None
        self._targets = np.concatenate([each["targets"] for each in index]) if "targets" in index[0] else None

    def _read_index(self, path: Path, entry: ShardEntry) -> dict[str, np.ndarray]:
        layout = read_layout(path)
        self._layouts.append(layout)
        shard = MappedShard(path, layout)
        with reading(path, "a whole shard of prepared data"):
            if index_digest(shard.arrays) != entry.index:
                raise InputError(f"{path}: changed since the data was prepared; prepare it again")
            self._checks.check_shard(path, shard.arrays)
            if (samples := len(shard.arrays["parts"])) != entry.samples:
                raise InputError(f"{path}: found {samples:,} samples, expected {entry.samples:,} as in the manifest")
            kept = [name for name in INDEX if name in shard.arrays and name not in _ON_DEMAND]
            return {name: shard.arrays[name].copy() for name in kept}

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each set, ``(sets,)`` int64."""
        return np.diff(self.offsets)

    @property
    def edges(self) -> np.ndarray:
        """Number of edges of each set, ``(sets,)`` int64."""
        return np.zeros(len(self), np.int64) if self.edge_offsets is None else np.diff(self.edge_offsets)

    @property
    def ids(self) -> MappedIds:
        """Name of each set."""
        return MappedIds(self)

    def targets(self, *, of_tokens: bool) -> np.ndarray | TargetRows | None:
        """Targets as `Samples` takes them.

        Args:
            of_tokens: Whether targets are for tokens or pairs.
        """
        if not of_tokens:
            return self._targets
        if self._target_offsets is None:
            return TargetRows(None, self.offsets)
        rows = {name: self._whole(name) for name in ("target_values", "pairs")}
        return TargetRows(rows["target_values"], self._target_offsets, rows["pairs"])

    def _whole(self, name: str) -> np.ndarray | None:
        """An array of all shards in memory."""
        found = []
        for number, path in enumerate(self._paths):
            arrays = MappedShard(path, self._layouts[number]).arrays
            if name in arrays:
                found.append(arrays[name].copy())
        return np.concatenate(found) if found else None

    def arguments(self, row: int) -> dict[str, Any]:
        """What one set holds, as arguments of `Sample`.

        Raises:
            InputError: if it is not what was prepared.
        """
        number, place, arrays = self._held(row)
        with reading(self._paths[number], "a whole shard of prepared data"):
            if checksum(arrays, place) != arrays["checksums"][place]:
                raise InputError(
                    f"{self._paths[number]}: sample {place + 1} of the shard changed since the data was prepared; "
                    "prepare it again"
                )
            self._checks.check_sample(f"{self._paths[number]}: sample {place + 1} of the shard", arrays, place)
            return arguments(arrays, place)

    def id(self, row: int) -> str:
        """Name of one set."""
        number, place, arrays = self._held(row)
        with reading(self._paths[number], "a whole shard of prepared data"):
            return text_of(arrays, "ids", place)

    def _held(self, row: int) -> tuple[int, int, Mapping[str, np.ndarray]]:
        """Number of the shard of a sample, its place there, and the arrays of the shard."""
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        if number in self._open:
            self._open.move_to_end(number)
        else:
            self._open[number] = MappedShard(self._paths[number], self._layouts[number])
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
        self._touched.add(number)
        self._reads += 1
        if self._reads % _AT_ONCE == 0:
            for each in self._touched & self._open.keys():
                self._open[each].release()
            self._touched.clear()
        return number, row - int(self._starts[number]), self._open[number].arrays

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict(), "_touched": set()}


_ON_DEMAND = ("id_offsets", "source_offsets", "name_offsets", "checksums")


class MappedIds(Sequence[str]):
    """Names of samples, read when they are asked for.

    Args:
        sets: Token sets of the samples.
    """

    def __init__(self, sets: MappedSets) -> None:
        self._sets = sets

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._sets.id(row) for row in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(f"{index} is no sample of {len(self)}")
        return self._sets.id(int(index))

    def __iter__(self) -> Iterator[str]:
        return map(self._sets.id, range(len(self)))

    def __len__(self) -> int:
        return len(self._sets)


def _joined(index: Sequence[Mapping[str, np.ndarray]], name: str) -> np.ndarray:
    """Offsets of the samples of all shards as if their arrays stood one after the other."""
    lengths = [np.diff(each[name]) for each in index]
    return np.concatenate([[0], np.cumsum(np.concatenate(lengths), dtype=np.int64)])
