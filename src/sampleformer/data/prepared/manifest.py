"""What a folder of prepared data says of itself."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from sampleformer.data.cache import sha256
from sampleformer.data.prepared.packing import PARTS
from sampleformer.data.prepared.shard import SUFFIX, ShardEntry
from sampleformer.data.user_files import FilesState
from sampleformer.documents import read_json
from sampleformer.errors import InputError, listed, shown
from sampleformer.settings import Component, Settings, validate

FORMAT = 1
"""Number of the way in which prepared data is written; another one cannot be read."""
MANIFEST = "manifest.json"
PLAN = "preparing.json"
ENCODING = "encoding.json"
SHARDS = "shards"


class Plan(Settings):
    """What is prepared: with the same plan the same shards come out.

    Args:
        format: Number of the way in which the data is written, see `FORMAT`.
        version: Version of this package that writes it.
        data: Section of a recipe that names the source.
        descriptors: Numbers that describe whole samples, as in a recipe.
        files: Files of the source, by the setting that names them.
        start: SHA-256 of the inputs of another run that were taken over. Empty: none.
    """

    format: int = FORMAT
    version: str
    data: Component
    descriptors: tuple[Component, ...] = ()
    files: dict[str, FilesState]
    start: str = ""


class Manifest(Settings):
    """Contents of a folder of prepared data.

    Args:
        plan: What was prepared.
        inputs: Kind of the inputs, see `Inputs.kinds`.
        encoding: SHA-256 of the encoding.
        shards: Shards in their order.
        samples: Number of samples of each part.
        skipped: Wrong rows left out.
        truncated: Texts cut at the maximum length.
    """

    plan: Plan
    inputs: str
    encoding: str
    shards: list[ShardEntry] = Field(min_length=1)
    samples: dict[str, Annotated[int, Field(ge=1)]]
    skipped: int = Field(default=0, ge=0)
    truncated: int = Field(default=0, ge=0)

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Manifest:
        """The manifest of a folder, whose files are there and have the right sizes.

        Raises:
            InputError: if the folder is half prepared, of another format, or a file is missing, doubled or cut.
        """
        folder = Path(folder)
        values = _read(folder)
        manifest = validate(cls, values, str(folder / MANIFEST))
        if set(manifest.samples) != set(PARTS):
            raise InputError(
                f"{folder / MANIFEST}: samples: found {listed(list(manifest.samples))}, expected {listed(PARTS)}"
            )
        manifest._check_files(folder)
        return manifest

    def _check_files(self, folder: Path) -> None:
        counts = Counter(entry.name for entry in self.shards)
        if (most := counts.most_common(1)) and most[0][1] > 1:
            raise InputError(f"{folder / MANIFEST}: the shard {shown(most[0][0])} is listed twice, expected once")
        for entry in self.shards:
            if Path(entry.name).name != entry.name or not entry.name.endswith(SUFFIX):
                raise InputError(f"{folder / MANIFEST}: found the shard {shown(entry.name)}, expected a name of a file")
            path = folder / SHARDS / entry.name
            if not path.is_file():
                raise InputError(f"{path}: no such file; the shard is missing, expected all of {len(counts)}")
            if (size := path.stat().st_size) != entry.bytes:
                raise InputError(
                    f"{path}: found {size:,} bytes, expected {entry.bytes:,}; the shard was cut or changed since it "
                    "was prepared"
                )
        found = {path.name for path in (folder / SHARDS).iterdir() if not path.name.startswith(".")}
        if others := sorted(found - counts.keys()):
            raise InputError(
                f"{folder / SHARDS / others[0]}: is none of the {len(counts)} shards of the manifest; remove it, or "
                "prepare the data again"
            )
        if sha256(folder / ENCODING) != self.encoding:
            raise InputError(f"{folder / ENCODING}: changed since the data was prepared; prepare it again")


def is_prepared(folder: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder of prepared data, perhaps half prepared."""
    return any(Path(folder, name).is_file() for name in (MANIFEST, PLAN))


def _read(folder: Path) -> dict[str, Any]:
    """The values of a manifest of this format."""
    path = folder / MANIFEST
    if not path.exists():
        if (folder / PLAN).exists():
            raise InputError(f"{folder}: is half prepared; run the same `sampleformer data prepare` again to go on")
        raise InputError(f"{folder}: found no {MANIFEST}, expected a folder that `sampleformer data prepare` wrote")
    values = read_json(path, "the manifest of prepared data")
    plan = values.get("plan")
    found = plan.get("format") if isinstance(plan, dict) else None
    if found != FORMAT:
        raise InputError(f"{path}: found format {shown(found)}, expected {FORMAT}; prepare the data again")
    return values
