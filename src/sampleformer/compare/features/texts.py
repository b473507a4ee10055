"""Words of texts and codes of sequences, counted."""

from __future__ import annotations

from typing import Any

import numpy as np

from sampleformer.compare.features.parts import Parts, samples_of
from sampleformer.data.samples import Samples
from sampleformer.data.source import Splits
from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.models.fitted.base import EXTRA

MOST_WORDS = 200_000
_BUCKETS = 1 << 18
_PRIME = 1_000_003
_FEW, _MANY = 3_000_000, 30_000_000  # tokens of the training part


def word_grams(splits: Splits) -> Parts:
    """TF-IDF of words and pairs of words that two texts of the training part have, sparse.

    Raises:
        InputError: if no word is in two texts.
    """
    made = require("sklearn.feature_extraction.text", EXTRA).TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        min_df=2,
        max_features=MOST_WORDS,
        token_pattern=r"(?u)\b\w+\b",
        dtype=np.float32,
    )
    try:
        train = made.fit_transform(_texts(splits.train))
    except ValueError as error:  # scikit-learn's word for an empty vocabulary
        raise InputError("no word is in two texts of the training part") from error
    return Parts(train, made.transform(_texts(splits.valid)), made.transform(_texts(splits.test)))


def _texts(samples: Samples) -> list[str]:
    return [sample.source or "" for sample in samples_of(samples)]


def code_grams(splits: Splits) -> Parts:
    """Codes and short runs of them, counted, sparse.

    Runs of up to three codes; of very many tokens fewer, since time and memory grow with them.
    """
    tokens = int(splits.train.lengths.sum())
    longest = 3 if tokens <= _FEW else 2 if tokens <= _MANY else 1
    parts = Parts(*(_counted(part, longest) for part in (splits.train, splits.valid, splits.test)))
    return parts.chosen(parts.train.getnnz(axis=0) > 0)


def _counted(samples: Samples, longest: int) -> Any:
    """Logarithms of counts, each row of length 1, ``(samples, buckets)``."""
    columns, counts = [], []
    for sample in samples_of(samples):
        found, count = np.unique(grams(sample.features, longest), return_counts=True)
        weights = 1 + np.log(count)
        columns.append(found)
        counts.append(weights / max(1e-12, float(np.linalg.norm(weights))))
    ends = np.cumsum([0, *map(len, columns)])
    values = np.concatenate(counts).astype(np.float32)
    made = require("scipy.sparse", EXTRA).csr_matrix
    return made((values, np.concatenate(columns), ends), shape=(len(samples), _BUCKETS))


def grams(codes: np.ndarray, longest: int) -> np.ndarray:
    """Numbers of all runs of up to so many codes, by a hash.

    Args:
        codes: ``(n,)``.
        longest: Length of the longest run.

    Example:
        >>> grams(np.array([3, 4]), 2).tolist()[:2], len(grams(np.array([3, 4]), 3))
        ([3, 4], 3)
    """
    codes = codes.astype(np.int64)
    hashed, found = codes, [codes % _BUCKETS]
    for length in range(2, longest + 1):
        hashed = hashed[:-1] * _PRIME + codes[length - 1 :] + length
        found.append(hashed % _BUCKETS)
    return np.concatenate(found)
