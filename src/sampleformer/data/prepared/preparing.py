"""Prepares data: from a source to a folder of shards, in bounded memory and resumable."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from sampleformer.data.cache import make_folder, sha256
from sampleformer.data.encoding import Encoding
from sampleformer.data.inputs import Inputs
from sampleformer.data.prepared.manifest import ENCODING, MANIFEST, PLAN, SHARDS, Manifest, Plan
from sampleformer.data.prepared.packing import NO_PART, PARTS
from sampleformer.data.prepared.shard import SUFFIX, MappedShard, ShardEntry, entry_of, read_layout
from sampleformer.data.prepared.streaming import StreamedLoading, Writing, streams, write_job
from sampleformer.data.prepared.whole import runs, write_run
from sampleformer.data.prepared.workers import in_order
from sampleformer.data.progress import progress_bar
from sampleformer.data.source import Source, Splits
from sampleformer.data.user_files import FilesState
from sampleformer.documents import read_json
from sampleformer.errors import InputError
from sampleformer.files import is_part, write_json
from sampleformer.output_paths import check_new_folder
from sampleformer.settings import Component, validate
from sampleformer.tables.report import RowReport

T = TypeVar("T")


def prepare(
    source: Source,
    folder: str | os.PathLike[str],
    *,
    data: Component | None = None,
    descriptors: Sequence[Component] = (),
    workers: int = 0,
) -> Manifest:
    """Writes the samples of a source as shards that a training maps.

    Parts, vocabulary, scaling and samples are those that a training from the source has. Of tables of texts, of
    molecules and of clouds the rows are taken piece by piece, so that memory does not grow with what they hold; other
    sources are read whole. If the folder is half prepared from the same source, its shards stay and the others are
    written: the same ones as if nothing had happened.

    Args:
        source: Source of the samples.
        folder: Folder to write; a new one, or one that the same preparation was stopped in.
        data: Section of a recipe that the source was made of, for the manifest. None: the name of its class.
        descriptors: Those of the source, as in a recipe.
        workers: Processes that parse and encode. 0: this one does.

    Returns:
        The manifest that was written.

    Raises:
        InputError: if something is wrong with the data, or the folder holds anything else.

    Example:
        >>> import tempfile
        >>> from sampleformer.data import Digits
        >>> from sampleformer.data.prepared import PreparedFolder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     manifest = prepare(Digits(), f"{folder}/digits")
        ...     PreparedFolder(f"{folder}/digits").load().train[0].features.shape
        (64, 1)
    """
    if workers < 0:
        raise InputError(f"workers: found {workers}, expected 0 or more")
    place = Path(folder)
    kind = type(source)
    plan = Plan(
        version=importlib.metadata.version("sampleformer"),
        data=data or Component(name=f"{kind.__module__}.{kind.__qualname__}"),
        descriptors=tuple(descriptors),
        files={name: FilesState.of(paths) for name, paths in source.files().items()},
        start="" if source.learnt is None else _digest(source.learnt),
    )
    going_on = _begin(place, plan)
    shards = _Shards(place, keep=going_on and bool(plan.files))
    known = Encoding.load(place / ENCODING).inputs if going_on and (place / ENCODING).exists() else None
    loading = StreamedLoading.of(source, workers, known) if streams(source) else None
    encoding = shards.write_whole(source.load()) if loading is None else shards.write_streamed(loading)
    manifest = Manifest(
        plan=plan,
        inputs=encoding.inputs.kind,
        encoding=sha256(place / ENCODING),
        shards=shards.entries,
        samples=shards.samples,
        skipped=shards.skipped,
        truncated=shards.truncated,
    )
    write_json(place / MANIFEST, manifest.model_dump(mode="json"))  # last: where it is, all is there
    (place / PLAN).unlink()
    return manifest


def _digest(inputs: Inputs) -> str:
    return hashlib.sha256(json.dumps(inputs.to_json(), sort_keys=True).encode()).hexdigest()


def _begin(folder: Path, plan: Plan) -> bool:
    """Begins a folder, or finds that it was begun with the same plan.

    Raises:
        InputError: if it holds anything else.
    """
    if (folder / MANIFEST).exists():
        raise InputError(f"{folder}: holds prepared data already, which is not overwritten; give another folder")
    if (folder / PLAN).exists():
        begun = validate(Plan, read_json(folder / PLAN, "the plan of prepared data"), str(folder / PLAN))
        if begun != plan:
            other = next(name for name in Plan.model_fields if getattr(begun, name) != getattr(plan, name))
            raise InputError(
                f"{folder}: is half prepared from something else ({other} differs); give another folder, or remove it"
            )
        make_folder(folder / SHARDS)
        return True
    if not folder.exists():
        check_new_folder(folder)
    elif not folder.is_dir() or not all(is_part(path) for path in folder.iterdir()):
        raise InputError(f"{folder}: exists already, expected a new folder or an empty one")
    make_folder(folder)
    write_json(folder / PLAN, plan.model_dump(mode="json"))  # first: a folder without it is no half prepared one
    make_folder(folder / SHARDS)
    return False


class _Shards:
    """The shards of a folder while they are written.

    Args:
        folder: Folder of the prepared data.
        keep: Whether shards that are there already stay.
    """

    def __init__(self, folder: Path, *, keep: bool) -> None:
        self._folder = folder
        self._keep = keep
        self.entries: list[ShardEntry] = []
        self.skipped = 0
        self.truncated = 0
        self._counts = np.zeros(len(PARTS), np.int64)

    @property
    def samples(self) -> dict[str, int]:
        """Number of samples of each part."""
        return dict(zip(PARTS, self._counts.tolist(), strict=True))

    def write_streamed(self, loading: StreamedLoading) -> Encoding:
        """Writes the rows of a table as shards, and the encoding that they teach."""
        parts, encoding = loading.learnt()
        encoding.save(self._folder / ENCODING)
        writing = Writing(loading.parsing, encoding, self._folder / SHARDS)
        report = RowReport(loading.table.path, str, loading.source.on_error)
        with progress_bar("writing samples", sum(map(len, parts.values()))) as show:
            tasks = self._missing(loading.jobs(parts))
            for entry in in_order(write_job, writing, tasks, loading.workers):
                self.entries.append(entry)
                show(sum(each.samples for each in self.entries))
        self._finish(report)
        report.log()
        self.skipped = loading.skipped + report.skipped
        self.truncated = report.truncated
        loading.check_usable(parts, encoding, self.samples)
        return encoding

    def write_whole(self, splits: Splits) -> Encoding:
        """Writes samples in memory as shards, and their encoding."""
        splits.encoding.save(self._folder / ENCODING)
        for name, run in self._missing(runs(splits)):
            self.entries.append(write_run(self._folder / SHARDS, name, splits, run))
        self._finish(RowReport("", str))
        self.skipped, self.truncated = splits.skipped, splits.truncated
        return splits.encoding

    def _missing(self, jobs: Iterable[T]) -> Iterator[tuple[str, T]]:
        """Names and jobs of the shards that are not there; the others are taken as they are."""
        for number, job in enumerate(jobs):
            path = self._folder / SHARDS / f"{number:06d}{SUFFIX}"
            if self._keep and path.exists():
                self.entries.append(entry_of(path))
            else:
                yield path.name, job

    def _finish(self, report: RowReport) -> None:
        """Puts the shards in order, and counts what they hold."""
        self.entries.sort(key=lambda entry: entry.name)
        for entry in self.entries:
            path = self._folder / SHARDS / entry.name
            layout = read_layout(path)
            report.take_over(**layout.note.model_dump())
            parts = MappedShard(path, layout).arrays["parts"]
            self._counts += np.bincount(parts, minlength=NO_PART + 1)[: len(PARTS)]
