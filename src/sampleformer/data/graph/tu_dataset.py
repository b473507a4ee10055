"""The TU Dortmund's sets of graphs, by ten folds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sampleformer.data.download import Download, is_file_name
from sampleformer.data.graph.archives import read_graph_archive
from sampleformer.data.graph.folds import split_of_fold, stratified_folds
from sampleformer.data.graph.graph_format import GraphFormat
from sampleformer.data.graph.graph_rows import GraphRows, graph_rows
from sampleformer.data.graph.graph_source import SPLIT, GraphSource
from sampleformer.data.graph.places import Places
from sampleformer.data.graph.pyg_rows import target_columns
from sampleformer.data.graph.raw_graph import raw_graphs
from sampleformer.data.graph.tu_files import read_tu_files
from sampleformer.data.graph.tu_hashes import TU_HASHES
from sampleformer.data.split import strata_of
from sampleformer.errors import InputError
from sampleformer.tasks import Classification, Regression

_ADDRESSES = (
    "https://www.chrsmrrs.com/graphkerneldatasets/{}.zip",
    "https://ls11-www.cs.tu-dortmund.de/people/morris/graphkerneldatasets/{}.zip",
)


class TuDataset(GraphSource):
    """A set of graphs of the TU Dortmund, such as MUTAG or PROTEINS: one of ten folds is the test, the next validates.

    "TUDataset: A collection of benchmark datasets for learning with graphs" (arXiv 2007.08663). The score that is
    published is the mean of ten trainings, one for each fold.

    Args:
        dataset: its name.
        path: NAME.zip, the folder it unpacks to, or an archive .npz with the array ``y`` and perhaps ``fold``. None: it
            is downloaded.
        fold: which fold is the test, 0 to 9. Folds are stratified and seeded, if the archive does not give them.
        identifiers, laplacian, random_walk: what tells nodes apart beside what they carry, see `Places`.
        task: Name of another task in `TASKS`, such as "masked". None: the set's own.
        limit: use at most so many graphs of each split.
        seed: seed of the folds.
        cache: folder for the download. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
    """

    def __init__(
        self,
        dataset: str,
        path: str | None = None,
        fold: int = 0,
        identifiers: int = 32,
        laplacian: int = 0,
        random_walk: int = 0,
        task: str | None = None,
        limit: int | None = None,
        seed: int = 0,
        cache: str | None = None,
    ) -> None:
        if not is_file_name(dataset):
            raise InputError(f"dataset: found {dataset!r}, expected the name of a set such as 'MUTAG'")
        super().__init__(
            path or f"{dataset}.zip",
            "y",
            Places(identifiers, laplacian, random_walk),
            valid=SPLIT,
            test=SPLIT,
            task=task,
            limit=limit,
            seed=seed,
        )
        split_of_fold(np.zeros(0), fold)  # finds a wrong one before anything is read
        self.dataset = dataset
        self.given = path
        self.fold = fold
        self.cache = cache

    def prepare(self) -> Path:
        """Downloads the set, unless a path was given or it is in the cache.

        Returns:
            The archive or folder to read.
        """
        if self.given is not None:
            return Path(self.given)
        addresses = [each.format(self.dataset) for each in _ADDRESSES]
        return Download(f"{self.dataset}.zip", addresses, TU_HASHES.get(self.dataset)).fetch(self.cache)

    def read(self) -> GraphRows:
        path = self.prepare()
        if path.suffix.lower() == ".npz":
            return self._of_archive(path)
        files = read_tu_files(path, self.dataset)
        self.task = self.task or (Classification if files.classes else Regression)
        folds = stratified_folds(strata_of(files.targets), self.seed)
        return self._rows(path, files.graphs, files.targets, folds, f"{path}: {files.used}")

    def _of_archive(self, path: Path) -> GraphRows:
        archive = read_graph_archive(path)
        if archive.targets is None:
            raise InputError(f"{path}: array 'y' is missing, expected the class of each graph")
        folds = archive.folds
        if folds is None:
            folds = stratified_folds(strata_of(archive.targets), self.seed)
        try:
            graphs, codes = raw_graphs(archive.graphs, integers=archive.integers)
        except ValueError as error:
            raise InputError(f"{path}: {error}") from error
        rows = self._rows(path, graphs, archive.targets, folds, f"{path}: {archive.used}")
        return replace(rows, format=GraphFormat(codes=codes))

    def _rows(self, path: Path, graphs: np.ndarray, targets: np.ndarray, folds: np.ndarray, used: str) -> GraphRows:
        columns = target_columns(targets) | {SPLIT: split_of_fold(folds, self.fold)}
        return graph_rows(str(path), graphs, columns, used=[used])
