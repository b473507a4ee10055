"""CIFAR-10 in grey, the Long Range Arena's Image task."""

import logging
from pathlib import Path

import numpy as np

from sampleformer.data.archive import archive_files
from sampleformer.data.download import Download
from sampleformer.data.sequence.numbers import NumberTable
from sampleformer.errors import InputError
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table
from sampleformer.wording import count

logger = logging.getLogger("sampleformer")

ARCHIVE = Download(
    "cifar-10-binary.tar.gz",
    (
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
    ),
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FILES = {**{f"data_batch_{number}.bin": "train" for number in range(1, 6)}, "test_batch.bin": "test"}
_SIDE = 32
_RECORD = 1 + 3 * _SIDE * _SIDE
_IMAGES_PER_FILE = 10_000


class Cifar10(NumberTable):
    """CIFAR-10 in grey: 1 024 pixels an image, ten classes; 50 000 images to train (a tenth validates), 10 000 to test.

    Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.

    Args:
        path: `cifar-10-binary.tar.gz` or the folder that it unpacks to. None: the archive is downloaded.
        values: "codes": a token is one of 256 codes, as in the Long Range Arena; "pixels": it carries the level scaled
            to [0, 1].
        limit: use at most so many images of each split.
        seed: seed of the validation part and of the choice of images.
        cache: folder for the download. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
    """

    def __init__(
        self,
        path: str | None = None,
        values: str = "codes",
        limit: int | None = None,
        seed: int = 0,
        cache: str | None = None,
    ) -> None:
        names = [f"pixel_{row}_{column}" for row in range(_SIDE) for column in range(_SIDE)]
        super().__init__(
            path or ARCHIVE.name,
            label="label",
            columns=names,
            values=values,
            layout=(_SIDE, _SIDE),
            test="split",
            limit=limit,
            seed=seed,
        )
        self.given = path
        self.cache = cache

    def prepare(self) -> Path:
        """Downloads the archive, unless a path was given or it is in the cache.

        Returns:
            The archive or folder to read.
        """
        return ARCHIVE.fetch(self.cache) if self.given is None else Path(self.given)

    def read(self) -> Table:
        path = self.prepare()
        records = {
            name: _records(path, name, content)
            for name, content in archive_files(path, "cifar-10-batches-bin")
            if name in _FILES
        }
        missing = sorted(set(_FILES) - set(records))
        if missing:
            raise InputError(f"{path}: {missing[0]} is missing, expected the files {', '.join(_FILES)}")
        pixels = np.concatenate([grey(records[name][:, 1:]) for name in _FILES])
        columns: dict[str, list[str] | np.ndarray] = {
            "label": [CLASSES[number] for name in _FILES for number in records[name][:, 0]],
            "split": [split for name, split in _FILES.items() for _ in records[name]],
            "id": [f"{name}/{row}" for name in _FILES for row in range(len(records[name]))],
            "pixels": pixels,
        }
        return Table(str(path), columns, range(1, len(pixels) + 1))

    def parse_inputs(self, table: Table, columns: list[str], report: RowReport) -> np.ndarray:
        return np.asarray(table.column("pixels"))


def _records(path: Path, name: str, content: bytes) -> np.ndarray:
    """The images of a file, ``(images, 3073)``: label, then all red, green and blue levels."""
    if not content or len(content) % _RECORD:
        raise InputError(f"{path}: {name}: found {count(len(content), 'byte')}, expected a multiple of {_RECORD:,}")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, _RECORD)
    if len(records) != _IMAGES_PER_FILE:
        logger.warning("%s: %s: found %d images, the published file has 10000", path, name, len(records))
    wrong = np.flatnonzero(records[:, 0] >= len(CLASSES))
    if len(wrong) > 0:
        label = records[wrong[0], 0]
        raise InputError(f"{path}: {name}: image {wrong[0]}: found the label {label}, expected 0 to {len(CLASSES) - 1}")
    return records


def grey(colours: np.ndarray) -> np.ndarray:
    """Luma of pixels, ``(images, 3 · pixels)`` to ``(images, pixels)``, as Pillow's ``convert("L")`` has it.

    299, 587 and 114 thousandths of red, green and blue, as 65 536ths, rounded.
    """
    red, green, blue = np.split(colours.astype(np.uint32), 3, axis=1)
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)
