"""Seeded, stratified choices of rows."""

import numpy as np

PERIOD = 10  # a part that is split off has one row in ten

Strata = np.ndarray


def split_tenths(strata: Strata, parts: int, seed: int) -> list[np.ndarray]:
    """Splits one tenth of the rows off, once or twice.

    The rows are sorted by stratum, in random order within each, and every tenth is taken. So each class is
    represented within one row of its share, a number is represented over its whole range, and a class of at least two
    rows keeps one in the rest.

    Args:
        strata: class or value of each row, ``(rows,)``.
        parts: number of tenths to split off, 1 or 2.
        seed: seed of the choice.

    Returns:
        The row numbers of each tenth, then those of the rest; each sorted.

    Raises:
        ValueError: if there are fewer than ten rows.
    """
    if len(strata) < PERIOD:
        raise ValueError(f"expected at least {PERIOD} rows, got {len(strata)}")
    random = np.random.default_rng([seed, len(strata)])
    ranked = _ranked(strata, random)
    first = int(random.integers(PERIOD))
    turn = (np.arange(len(ranked)) - first) % PERIOD
    offsets = [0, PERIOD // 2][:parts]  # far apart, so that two neighbours are never both taken
    tenths = [np.sort(ranked[turn == offset]) for offset in offsets]
    return [*tenths, np.sort(ranked[~np.isin(turn, offsets)])]


def choose(strata: Strata, count: int, seed: int) -> np.ndarray:
    """Row numbers of `count` rows (all, if there are no more), each stratum in proportion; sorted."""
    if count >= len(strata):
        return np.arange(len(strata))
    random = np.random.default_rng([seed, len(strata), count])
    ranked = _ranked(strata, random)
    places = np.floor((np.arange(count) + random.random()) * len(ranked) / count).astype(np.int64)
    return np.sort(ranked[places])


def _ranked(strata: Strata, random: np.random.Generator) -> np.ndarray:
    """Row numbers sorted by stratum, in random order within each."""
    shuffled = random.permutation(len(strata))
    return shuffled[np.argsort(strata[shuffled], kind="stable")]


def strata_of(targets: np.ndarray) -> Strata:
    """What rows are stratified by: their class, their value, or their combination of values.

    Args:
        targets: ``(rows,)`` classes, or ``(rows, columns)`` numbers, NaN where unknown.
    """
    if targets.ndim == 1:
        return np.unique(targets.astype(str), return_inverse=True)[1].reshape(-1)
    known = np.nan_to_num(targets, nan=-np.inf, neginf=-np.inf)
    return known[:, 0] if known.shape[1] == 1 else np.unique(known, axis=0, return_inverse=True)[1].reshape(-1)
