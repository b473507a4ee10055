"""The IMDB movie reviews, the source of the Long Range Arena's Text task."""

import logging
import os
import re
from pathlib import Path

from sampleformer.data.archive import archive_files
from sampleformer.data.download import Download
from sampleformer.data.progress import progress_bar
from sampleformer.data.sequence.text import TextTable
from sampleformer.errors import InputError
from sampleformer.tables.table import SUFFIXES, Table

logger = logging.getLogger("sampleformer")

ARCHIVE = Download(
    "aclImdb_v1.tar.gz",
    ("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",),
    sha256="c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
)
_REVIEW = re.compile(r"(train|test)/(neg|pos)/(\d+)_\d+\.txt")
_REVIEWS = 50_000


class Imdb(TextTable):
    """IMDB movie reviews, positive or negative: 25 000 for training (a tenth validates) and 25 000 for the test.

    Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011.

    Args:
        path: `aclImdb_v1.tar.gz`, the folder that it unpacks to, or a table with the columns text, label and split
            (train or test). None: the archive is downloaded.
        tokens: "bytes", "characters", "words" or "whitespace".
        max_length: longer reviews are cut to so many tokens and counted.
        limit: use at most so many reviews of each split.
        seed: seed of the validation part and of the choice of reviews.
        cache: folder for the download. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
    """

    def __init__(
        self,
        path: str | None = None,
        tokens: str = "bytes",
        max_length: int | None = None,
        limit: int | None = None,
        seed: int = 0,
        cache: str | None = None,
    ) -> None:
        super().__init__(
            path or ARCHIVE.name,
            text="text",
            label="label",
            tokens=tokens,
            max_length=max_length,
            test="split",
            limit=limit,
            seed=seed,
        )
        self.given = path
        self.cache = cache

    def prepare(self) -> Path:
        """Downloads the archive, unless a path was given or it is in the cache.

        Returns:
            The archive, folder or table to read.
        """
        return ARCHIVE.fetch(self.cache) if self.given is None else Path(self.given)

    def read(self) -> Table:
        path = self.prepare()
        if os.fspath(path).lower().removesuffix(".gz").endswith(SUFFIXES):
            return super().read()
        reviews: list[tuple[str, str, int, str, str]] = []
        with progress_bar("reading the reviews", _REVIEWS) as show_done:
            for name, content in archive_files(path, "aclImdb"):
                match = _REVIEW.fullmatch(name)
                if match:
                    split, label, number = match.groups()
                    reviews.append((split, label, int(number), name, _decoded(path, name, content)))
                    show_done(len(reviews))
        if not reviews:
            raise InputError(f"{path}: found no reviews, expected files such as aclImdb/train/pos/0_9.txt")
        if len(reviews) != _REVIEWS:
            logger.warning("%s: found %d reviews, the published set has %d", path, len(reviews), _REVIEWS)
        splits, labels, _, names, texts = zip(*sorted(reviews), strict=True)
        columns = {"text": texts, "label": labels, "split": splits, "id": names}
        return Table(str(path), columns, range(1, len(texts) + 1))


def _decoded(path: Path, name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {name}: byte {error.start} (0x{content[error.start]:02x}) is not UTF-8") from error
