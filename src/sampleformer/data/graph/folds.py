"""Folds of cross-validation."""

import numpy as np

from sampleformer.data.split import Strata
from sampleformer.errors import InputError

FOLDS = 10
NEVER = 255  # in a list of folds: always in training


def stratified_folds(strata: Strata, seed: int) -> np.ndarray:
    """The fold of each row, 0 to 9, each class in proportion and all sizes within one: ``(rows,)`` int64."""
    random = np.random.default_rng([seed, len(strata)])
    shuffled = random.permutation(len(strata))
    ranked = shuffled[np.argsort(strata[shuffled], kind="stable")]
    folds = np.empty(len(strata), dtype=np.int64)
    folds[ranked] = np.arange(len(ranked)) % FOLDS
    return folds


def split_of_fold(folds: np.ndarray, fold: int) -> list[str]:
    """The part of each row: this fold is the test, the next one validation, the others training.

    Raises:
        InputError: if there is no such fold.

    Example:
        >>> split_of_fold(np.arange(10), 9)[:3], split_of_fold(np.arange(10), 9)[9]
        (['valid', 'train', 'train'], 'test')
    """
    if not 0 <= fold < FOLDS:
        raise InputError(f"fold: found {fold}, expected 0 to {FOLDS - 1}")
    parts = np.where(folds == fold, "test", np.where(folds == (fold + 1) % FOLDS, "valid", "train"))
    return parts.tolist()
