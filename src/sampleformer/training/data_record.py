"""What a run remembers of its data, so that its test part stays its test part."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import numpy as np

from sampleformer.data.source import Source, Splits
from sampleformer.data.user_files import FilesState, common_folder
from sampleformer.errors import InputError, shown
from sampleformer.registry import is_trusted
from sampleformer.sample import LEVELS
from sampleformer.settings import Settings, validate
from sampleformer.training.recipe import Recipe, make_source
from sampleformer.training.run_folder import RunFolder
from sampleformer.wording import count

PARTS = ("train", "valid", "test")


class FilesRecord(FilesState):
    """Files that one setting of the data names, as they were when the training began.

    Args:
        given: Value of the setting.
        absolute: Absolute paths of what it named.
        from_run: The same, from the run folder: both may have been moved together.
        rows: Rows of a table. None: the files are no table.
    """

    given: str | list[str]
    absolute: list[str]
    from_run: list[str]
    rows: int | None = None


class SplitRecord(Settings):
    """Samples of one part.

    Args:
        ids: Names of the samples, in order. Empty if a fingerprint tells them from others.
        targets: SHA-256 of the classes, in order. None: the targets are no classes of whole samples.
        samples: Their number, if a fingerprint tells them from others.
        fingerprint: See `Splits.fingerprint`.
    """

    ids: list[str]
    targets: str | None = None
    samples: int | None = None
    fingerprint: str = ""


class DataRecord(Settings):
    """What ``run.json`` holds of the data.

    Args:
        files: Files of the user, by the setting that names them. Generated and published sets have none.
        split: Samples of each part.
        in_memory: Whether the data was given in Python, so that nothing can make it again.
    """

    files: dict[str, FilesRecord]
    split: dict[str, SplitRecord]
    in_memory: bool = False

    @classmethod
    def of(cls, recipe: Recipe, source: Source, splits: Splits, folder: RunFolder, *, in_memory: bool) -> DataRecord:
        """The record of a training that begins.

        Args:
            recipe: Recipe, whose data section names the files.
            source: Source that was made of it.
            splits: Samples that it gave.
            folder: Run folder.
            in_memory: Whether the source was given in Python.
        """
        files = {}
        for setting, paths in ({} if in_memory else source.files()).items():
            given = recipe.data.arguments.get(setting)
            if given is None:  # of a published set, from the cache
                continue
            named = [given] if isinstance(given, str) else given
            absolute = [os.path.abspath(path) for path in named]
            rows = splits.rows.get(str(given))
            files[setting] = FilesRecord(
                given=given,
                absolute=absolute,
                from_run=_from_run(absolute, folder),
                rows=rows,
                **FilesState.of(paths).model_dump(),
            )
        return cls(files=files, split={part: _split(splits, part) for part in PARTS}, in_memory=in_memory)

    @classmethod
    def read(cls, folder: RunFolder) -> DataRecord:
        """The record in a run folder.

        Raises:
            InputError: if ``run.json`` holds none, or a damaged one.
        """
        return validate(cls, folder.read_run().get("data") or {}, f"{folder.run_file}: data")

    @property
    def content(self) -> list[dict[str, Any]]:
        """What the files hold, and the samples of each part, wherever the files are."""
        files = {name: (record.count, record.bytes, record.sha256) for name, record in self.files.items()}
        return [files, {name: part.model_dump() for name, part in self.split.items()}]

    def digest_of(self, splits: Splits) -> str:
        """SHA-256 of what the files and the parts hold, wherever the files are.

        Args:
            splits: Samples that the record is of.
        """
        whole = hashlib.sha256(json.dumps(self.content, sort_keys=True).encode(errors="surrogateescape"))
        for part in PARTS:
            whole.update(np.ascontiguousarray(getattr(splits, part).sizes, dtype="<i8").tobytes())
        return whole.hexdigest()

    def located(self, recipe: Recipe, folder: RunFolder) -> Recipe:
        """The recipe with the places where its files are now.

        A file is looked for where it was, then where it would be if it had been moved with the run folder, then where
        the recipe says from here.

        Args:
            recipe: Recipe of the run.
            folder: Run folder, where it is now.

        Raises:
            InputError: if the data was given in Python, or a file is nowhere.
        """
        if self.in_memory:
            raise InputError(
                f"{folder.path}: the data of this run was given in Python and cannot be read again; give a file"
            )
        places = {}
        for setting, record in self.files.items():
            several = [record.given] if isinstance(record.given, str) else record.given
            tried = [record.absolute, [str(folder.path / each) for each in record.from_run], several]
            found = next((paths for paths in tried if all(os.path.exists(path) for path in paths)), None)
            if found is None:
                where = " and ".join(dict.fromkeys(os.path.abspath(paths[0]) for paths in tried))
                raise InputError(f"data.{setting}: {several[0]}: no such file; looked for {where}")
            places[setting] = found[0] if isinstance(record.given, str) else found
        return recipe.model_copy(update={"data": recipe.data.model_copy(update=places)})

    def moved(self, recipe: Recipe, folder: RunFolder, other: RunFolder) -> DataRecord:
        """The record for another run folder.

        Args:
            recipe: Recipe of the run.
            folder: Run folder.
            other: The other one.

        Raises:
            InputError: as `located`.
        """
        places = self.located(recipe, folder).data.arguments
        files = {}
        for setting, record in self.files.items():
            given = places[setting]
            absolute = [os.path.abspath(path) for path in ([given] if isinstance(given, str) else given)]
            files[setting] = record.model_copy(update={"absolute": absolute, "from_run": _from_run(absolute, other)})
        return self.model_copy(update={"files": files})

    def check_files(self, source: Source) -> None:
        """Raises InputError if the files are others than those of the training.

        Args:
            source: Source that was made of the recipe that `located` gave.
        """
        found = source.files()
        for setting, record in self.files.items():
            paths = found.get(setting, [])
            state = FilesState.of(paths)
            if (state.count, state.bytes, state.sha256) == (record.count, record.bytes, record.sha256):
                continue
            place = paths[0] if len(paths) == 1 else common_folder(paths)
            raise InputError(
                f"{place}: changed since the training: found {_words(state)}, expected {_words(record)}; "
                "its test part would hold other rows; give the file as it was, or a file to evaluate"
            )

    def check_split(self, splits: Splits, where: str, *, other_view: bool = False) -> None:
        """Raises InputError if the parts hold other samples than those of the training.

        Args:
            splits: What the source gave.
            where: Name of the data, for the message.
            other_view: Whether scenes may be cut into other numbers of samples than in the training.
        """
        for part in PARTS:
            found, record = _split(splits, part), self.split.get(part, SplitRecord(ids=[]))
            ids, expected = found.ids, record.ids
            if other_view:
                ids, expected = list(dict.fromkeys(ids)), list(dict.fromkeys(expected))
            if (found.samples, found.fingerprint) != (record.samples, record.fingerprint):
                raise InputError(f"{where}: changed since the training: the {part} part was prepared from other data")
            if ids != expected:
                raise InputError(f"{where}: changed since the training: the {part} part has {_other(ids, expected)}")
            if found.targets != record.targets:
                raise InputError(f"{where}: changed since the training: the {part} part has other labels")


def load_again(folder: RunFolder, recipe: Recipe, *, other_view: bool = False) -> Splits:
    """The samples of a run, each in the part that it was in.

    Args:
        folder: Run folder.
        recipe: Its recipe, perhaps with other settings of what is seen of a sample.
        other_view: Whether there are such settings.

    Raises:
        InputError: if the data is not there, or has changed since the training.
    """
    record = DataRecord.read(folder)
    source = make_source(record.located(recipe, folder))
    record.check_files(source)
    if recipe.training.init_from is not None:
        source.learnt = folder.read_encoding(trust_code=is_trusted(), learnt=True).inputs
    splits = source.load()
    record.check_split(splits, recipe.data.name, other_view=other_view)
    return splits


def _from_run(paths: list[str], folder: RunFolder) -> list[str]:
    """Paths from a run folder."""
    return [os.path.relpath(path, folder.path.absolute()) for path in paths]


def _split(splits: Splits, part: str) -> SplitRecord:
    samples = getattr(splits, part)
    if splits.fingerprint:
        return SplitRecord(ids=[], samples=len(samples), fingerprint=splits.fingerprint)
    targets = samples.targets if samples.level == LEVELS[0] else None
    digest = None
    if targets is not None and np.issubdtype(targets.dtype, np.integer):
        digest = hashlib.sha256(targets.astype("<i8").tobytes()).hexdigest()
    return SplitRecord(ids=samples.ids, targets=digest)


def _other(found: list[str], expected: list[str]) -> str:
    for place, (new, old) in enumerate(zip(found, expected, strict=False), start=1):
        if new != old:
            return f"{shown(new)} as sample {place}, expected {shown(old)}"
    return f"{count(len(found), 'sample')}, expected {len(expected):,}"


def _words(state: FilesState) -> str:
    files = "" if state.count == 1 else f"{state.count:,} files of "
    rows = f"{count(state.rows, 'row')} in " if isinstance(state, FilesRecord) and state.rows is not None else ""
    return f"{files}{rows}{count(state.bytes, 'byte')} (SHA-256 {state.sha256[:8]}…)"
