"""Clouds that were read and thinned, kept between runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.data.cache import cache_folder, make_folder
from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.placed_cloud import PlacedCloud
from sampleformer.errors import InputError
from sampleformer.files import written_whole
from sampleformer.reading import reading
from sampleformer.unpacking import read_arrays

_FORMAT = 2  # counts up when the numbers change, so that older files in the cache are not read
_PARTS = ("points", "normals", "features", "labels")


class CloudCache:
    """A file of the cache for what some files give with some settings.

    Args:
        files: their paths, sizes and times of change name it, ...
        settings: ... and so do these.
    """

    def __init__(self, files: Sequence[Path], settings: object) -> None:
        digest = hashlib.sha256(repr((_FORMAT, settings)).encode())
        for file in files:
            found = file.stat() if os.path.exists(file) else None  # that of Path raises at a name that is too long
            state = None if found is None else (found.st_size, found.st_mtime_ns)
            digest.update(repr((str(file.resolve()), state)).encode())
        self.path = cache_folder() / "clouds" / f"{digest.hexdigest()[:32]}.npz"

    def read(self) -> list[PlacedCloud] | None:
        """The clouds; None: they are not there.

        Raises:
            InputError: if the file is damaged.
        """
        if not self.path.exists():
            return None
        try:
            arrays, _ = read_arrays(self.path)
            with reading(self.path, "what was written"):
                return _clouds(arrays)
        except InputError as error:
            problem = str(error).removeprefix(f"{self.path}: ")
            raise InputError(f"{self.path}: a damaged file of the cache ({problem}); delete it") from error

    def write(self, clouds: Sequence[PlacedCloud]) -> None:
        """Keeps clouds that all have the same fields; others are not kept."""
        arrays: dict[str, np.ndarray] = {"ends": np.cumsum([len(each) for each in clouds])}
        for name in _PARTS:
            values = [value for each in clouds if (value := getattr(each.cloud, name)) is not None]
            widths = {value.shape[1:] for value in values}
            if len(values) not in (0, len(clouds)) or len(widths) > 1:
                return
            if values:
                arrays[name] = np.concatenate(values)
        arrays["remarks"] = np.array(["\n".join(each.cloud.remarks) for each in clouds], str)
        arrays["index"] = np.concatenate([each.index for each in clouds]).astype(np.int32)
        make_folder(self.path.parent)
        with written_whole(self.path) as part, part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]


def _clouds(arrays: dict[str, np.ndarray]) -> list[PlacedCloud]:
    ends, remarks = arrays.pop("ends").tolist(), arrays.pop("remarks").tolist()
    index = arrays.pop("index")
    clouds = []
    for start, stop, text in zip([0, *ends[:-1]], ends, remarks, strict=True):
        parts: dict[str, Any] = {name: values[start:stop] for name, values in arrays.items()}
        cloud = Cloud(**parts, remarks=tuple(filter(None, text.split("\n"))))
        clouds.append(PlacedCloud(cloud, index[start:stop]))
    return clouds
