"""A folder of prepared data as a source."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sampleformer.data.cache import sha256
from sampleformer.data.encoding import Encoding
from sampleformer.data.prepared.checking import Checks
from sampleformer.data.prepared.manifest import ENCODING, MANIFEST, SHARDS, Manifest
from sampleformer.data.prepared.mapped import MappedSets
from sampleformer.data.prepared.packing import PARTS
from sampleformer.data.progress import progress_bar
from sampleformer.data.source import Source, Splits
from sampleformer.errors import InputError, listed
from sampleformer.reading import reading
from sampleformer.settings import Component
from sampleformer.wording import count


class PreparedFolder(Source):
    """A folder that `data prepare` wrote: samples of any kind, read from disk as they are needed.

    Args:
        path: the folder.

    Raises:
        InputError: if the path is no such folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.manifest = Manifest.read(self.path)

    def files(self) -> dict[str, list[Path]]:
        return {"path": [self.path / MANIFEST]}

    def check_descriptors(self, descriptors: Sequence[Component]) -> None:
        """Raises InputError if a recipe has other descriptors than the prepared samples."""
        if tuple(descriptors) != self.manifest.plan.descriptors:
            found = listed([each.name for each in descriptors]) or "none"
            expected = listed([each.name for each in self.manifest.plan.descriptors]) or "none"
            unused = "" if descriptors else "; model.beside=[] and blend=[] leave them unused"
            raise InputError(f"descriptors: found {found}, but {self.path} was prepared with {expected}{unused}")

    def verify(self) -> None:
        """Reads every shard whole.

        Raises:
            InputError: if one is another than the manifest says.
        """
        with progress_bar("checking the shards", len(self.manifest.shards)) as show:
            for done, entry in enumerate(self.manifest.shards, start=1):
                path = self.path / SHARDS / entry.name
                if sha256(path) != entry.sha256:
                    raise InputError(f"{path}: changed since the data was prepared; prepare it again")
                show(done)

    def load(self) -> Splits:
        encoding = Encoding.load(self.path / ENCODING)
        if self.learnt is not None:
            self._check_learnt(encoding)
        with reading(self.path / ENCODING, "a saved encoding"):
            checks = Checks(encoding)
        sets = MappedSets(self.path, self.manifest, checks)
        samples = encoding.pack(sets, sets.targets(of_tokens=encoding.task.of_tokens), sets.ids)
        parts = {}
        for number, name in enumerate(PARTS):
            rows = np.flatnonzero(sets.parts == number)
            if len(rows) != self.manifest.samples[name]:
                expected = self.manifest.samples[name]
                raise InputError(f"{self.path}: found {count(len(rows), 'sample')} for {name}, expected {expected}")
            rows = rows[np.argsort(sets.places[rows], kind="stable")]
            if (np.diff(sets.places[rows]) == 0).any():
                raise InputError(f"{self.path / SHARDS}: found two samples for {name} in the same place")
            parts[name] = samples.subset(rows)
        manifest = self.manifest
        return Splits(
            parts["train"],
            parts["valid"],
            parts["test"],
            encoding,
            manifest.skipped,
            manifest.truncated,
            fingerprint=sha256(self.path / MANIFEST),
        )

    def _check_learnt(self, encoding: Encoding) -> None:
        """Raises InputError if another run's vocabulary or scaling is wanted and the samples have their own."""
        assert self.learnt is not None
        own = encoding.inputs
        if own.with_learnt(self.learnt).to_json() != own.to_json():
            raise InputError(
                f"training.init_from: {self.path} was prepared with another vocabulary or scaling than that run's; "
                "prepare the data with --init-from and that run"
            )
