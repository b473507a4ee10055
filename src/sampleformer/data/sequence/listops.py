"""The ListOps task of the Long Range Arena, generated on this machine."""

import hashlib
import json
import logging
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.data.cache import cache_folder, make_folder, sha256
from sampleformer.data.encoding import Encoding
from sampleformer.data.progress import progress_bar
from sampleformer.data.samples import Samples
from sampleformer.data.sequence.listops_generator import (
    CLOSE,
    OPERATORS,
    VALUES,
    ListOpsGenerator,
    usable_processes,
)
from sampleformer.data.sequence.text_columns import TextColumns
from sampleformer.data.sequence.tokenizers import WhitespaceTokenizer
from sampleformer.data.source import Source, Splits
from sampleformer.data.split import choose, strata_of
from sampleformer.errors import InputError
from sampleformer.files import written_whole
from sampleformer.tasks import Classification

logger = logging.getLogger("sampleformer")

_FILES = {"train": "basic_train.tsv", "valid": "basic_val.tsv", "test": "basic_test.tsv"}
_MANIFEST = "manifest.json"
_HEADER = "Source\tTarget\n"


class ListOps(Source):
    """ListOps: the value of a nested expression of MIN, MAX, MED and SM over digits (Long Range Arena).

    The expressions are generated once and kept in the cache, in files of the layout of the Long Range Arena's
    (`basic_train.tsv`, `basic_val.tsv`, `basic_test.tsv`, columns Source and Target), each checked against its SHA-256
    when it is read.

    Args:
        train, valid, test: number of expressions in each split.
        min_length, max_length: the number of tokens lies strictly between these.
        max_depth: depth of the deepest node; the root has depth 1.
        max_arguments: the largest number of arguments of an operator.
        seed: 0 or more; the same seed gives the same files on every machine.
        workers: processes to generate with. None: all processors.
        cache: folder to keep the files in. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
        limit: use at most so many expressions of each split.
    """

    def __init__(
        self,
        train: int = 96_000,
        valid: int = 2_000,
        test: int = 2_000,
        min_length: int = 500,
        max_length: int = 2_000,
        max_depth: int = 10,
        max_arguments: int = 10,
        seed: int = 0,
        workers: int | None = None,
        cache: str | None = None,
        limit: int | None = None,
    ) -> None:
        self.sizes = {"train": train, "valid": valid, "test": test}
        for name, size in self.sizes.items():
            if size < 1:
                raise InputError(f"{name}: found {size}, expected at least 1 expression")
        if workers is not None and workers < 1:
            raise InputError(f"workers: found {workers}, expected at least 1 process")
        if limit is not None and limit < 1:
            raise InputError(f"limit: found {limit}, expected at least 1 expression")
        if seed < 0:
            raise InputError(f"seed: found {seed}, expected 0 or more")
        self.generator = ListOpsGenerator(min_length, max_length, max_depth, max_arguments, seed)
        self.workers = workers or usable_processes()
        self.limit = limit
        self.folder = cache_folder(cache) / "listops" / self._folder_name()

    @property
    def settings(self) -> dict[str, Any]:
        """All that the files' content depends on."""
        return {"format": 1, **self.sizes, **asdict(self.generator)}

    def _folder_name(self) -> str:
        digest = hashlib.sha256(json.dumps(self.settings).encode()).hexdigest()[:12]
        limits = self.generator
        return f"length-{limits.min_length}-{limits.max_length}-seed-{limits.seed}-{digest}"

    def prepare(self) -> Path:
        """Generates the files unless they are in the cache.

        Returns:
            The folder that holds them.
        """
        if (self.folder / _MANIFEST).exists():
            return self.folder
        make_folder(self.folder)
        total = sum(self.sizes.values())
        logger.info("listops: generating %d expressions into %s", total, self.folder)
        with (
            progress_bar("listops", total) as show_done,
            ExitStack() as files,
        ):
            expressions = self.generator.distinct(self.workers)
            files.callback(expressions.close)
            done = 0
            for split, size in self.sizes.items():
                path = files.enter_context(written_whole(self.folder / _FILES[split]))
                with path.open("w", encoding="ascii", newline="\n") as file:
                    file.write(_HEADER)
                    for expression, value in islice(expressions, size):
                        file.write(f"{expression}\t{value}\n")
                        done += 1
                        if done % 100 == 0 or done == total:
                            show_done(done)
        self._write_manifest()
        return self.folder

    def _write_manifest(self) -> None:
        hashes = {name: sha256(self.folder / name) for name in _FILES.values()}
        with written_whole(self.folder / _MANIFEST) as path:
            path.write_text(json.dumps({"settings": self.settings, "sha256": hashes}, indent=2) + "\n")

    def load(self) -> Splits:
        """Reads the three splits, generating them first if need be.

        Raises:
            InputError: if a file in the cache is not the one that was generated.
        """
        self.prepare()
        hashes = self._hashes()
        words = [*OPERATORS, CLOSE, *VALUES]
        encoding = Encoding(TextColumns(["Source"], WhitespaceTokenizer(words)), Classification("Target", list(VALUES)))
        parts = {name: self._read(file, hashes[file], encoding) for name, file in _FILES.items()}
        return Splits(parts["train"], parts["valid"], parts["test"], encoding)

    def _hashes(self) -> dict[str, str]:
        """SHA-256 of each file, as the manifest has it."""
        path = self.folder / _MANIFEST
        try:
            hashes = json.loads(path.read_text())["sha256"]
            return {name: hashes[name] for name in _FILES.values()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: not a manifest ({type(error).__name__}: {error}); delete the folder {self.folder} and it is "
                "generated anew"
            ) from error

    def _read(self, name: str, expected: str, encoding: Encoding) -> Samples:
        path = self.folder / name
        if not path.exists() or sha256(path) != expected:
            raise InputError(
                f"{path}: not the file that was generated (its SHA-256 is not {expected}, as {_MANIFEST} has it); "
                f"delete the folder {self.folder} and it is generated anew"
            )
        rows = [line.split("\t") for line in path.read_text(encoding="ascii").splitlines()[1:]]
        expressions = np.array([expression for expression, _ in rows], dtype=object)
        values = np.array([value for _, value in rows], dtype=object)
        chosen = np.arange(len(rows))
        if self.limit is not None:
            chosen = choose(strata_of(values), self.limit, self.generator.seed)
        return encoding.samples(expressions[chosen], values[chosen], ids=[str(row + 1) for row in chosen])
