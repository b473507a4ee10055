"""What published sets of point clouds share: an archive that is downloaded and unpacked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from sampleformer.data.download import Download
from sampleformer.data.point_cloud.cloud_source import CloudSource
from sampleformer.data.point_cloud.published.unpacking import unpacked


class PublishedClouds(CloudSource):
    """Point clouds of a published set, which are classified, as shapes or point by point.

    Args:
        path: Archive, or the folder that it unpacks to. None: it is downloaded.
        label: Column of the clouds, or "labels": those of points.
        view: What of a cloud the model sees, settings of `CloudView`.
        cache: Folder for the download. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
        others: Further arguments of `CloudSource`.

    Attributes:
        archive: What is downloaded.
    """

    archive: ClassVar[Download]

    def __init__(
        self, path: str | None, label: str, view: Mapping[str, Any], *, cache: str | None, **others: Any
    ) -> None:
        super().__init__(path or self.archive.name, label, view, task="classification", **others)
        self.task_reason = "as published"
        self.given = path
        self.cache = cache

    def prepare(self) -> Path:
        """Downloads the archive, unless a path was given or it is in the cache, and unpacks it.

        Returns:
            The folder to read.
        """
        return unpacked(self.archive.fetch(self.cache) if self.given is None else Path(self.given), self.cache)
