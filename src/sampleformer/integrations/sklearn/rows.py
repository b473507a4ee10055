"""Rows of scikit-learn's kind as tables: what the samples are, and which validate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampleformer.errors import InputError, listed, shown
from sampleformer.tables.memory import PATH, SampleTable, frame_table, is_frame, listed_samples
from sampleformer.tables.table import Table

LABEL = "target"
SPLIT = "part of the data"


@dataclass(frozen=True)
class Kind:
    """Kind of the samples.

    Args:
        name: "text", "smiles" or "numbers".
        columns: Columns of the texts, or the column of the SMILES; empty for numbers.
        features: Columns that describe a sample as a whole.
    """

    name: str
    columns: tuple[str, ...] = ()
    features: tuple[str, ...] = ()

    @classmethod
    def of(cls, X: Any, text: str | Sequence[str] | None, smiles: str | None, features: Sequence[str] | None) -> Kind:
        """The kind that arguments of an estimator and the samples say.

        Raises:
            InputError: if they contradict each other.
        """
        if text is not None and smiles is not None:
            raise InputError(f"text and smiles: found {shown(text)} and {shown(smiles)}, expected one of them")
        for name, given in (("text", text), ("smiles", smiles)):
            if given is not None:
                columns = (given,) if isinstance(given, str) else tuple(given)
                if features and not is_frame(X):
                    raise InputError(f"features: found {shown(list(features))}, expected them beside a DataFrame")
                if len(columns) > 1 and not is_frame(X):
                    raise InputError(f"{name}: found {shown(list(columns))}, expected several columns of a DataFrame")
                return cls(name, columns, tuple(features or ()))
        if features:
            raise InputError(f"features: found {shown(list(features))}, expected text or smiles beside them")
        return cls("text", ("text",)) if holds_texts(X) else cls("numbers")

    @property
    def data(self) -> dict[str, Any]:
        """What a recipe says of data of the kind."""
        if self.name == "numbers":
            return {"numbers": True}
        named = self.columns[0] if len(self.columns) == 1 else list(self.columns)
        return {self.name: named, "features": list(self.features) or None}

    def table(self, X: Any) -> Table:
        """The samples as a table.

        Raises:
            InputError: if a column is missing, or the samples are no texts.
        """
        if is_frame(X):
            table = frame_table(X)
            kept = [*self.columns, *self.features] if self.columns else list(table.columns)
            return SampleTable(PATH, {name: table.column(name) for name in kept}, table.rows)
        if self.name == "numbers":
            return SampleTable(PATH, {f"x{place}": X[:, place] for place in range(X.shape[1])}, range(len(X)))
        return SampleTable(PATH, {self.columns[0]: texts_of(X)}, range(len(texts_of(X))))

    def samples(self, X: Any) -> Any:
        """The samples as a `Predictor` takes them."""
        return X if is_frame(X) or self.name == "numbers" else texts_of(X)


def framed(X: Any) -> Any:
    """Samples as they are; a ``Dataset`` of Hugging Face's datasets as a DataFrame.

    Raises:
        InputError: if they are the splits of a ``DatasetDict``.
    """
    splits = list(X.values()) if isinstance(X, Mapping) else []  # a sparse matrix may be a mapping of its places
    if splits and all(map(_is_dataset, splits)):
        raise InputError(f"X: found the splits {listed(list(map(str, X)))}, expected the samples of one of them")
    return X.to_pandas() if _is_dataset(X) else X


def _is_dataset(X: Any) -> bool:
    return all(hasattr(X, name) for name in ("to_pandas", "column_names", "features"))


def holds_texts(X: Any) -> bool:
    """Whether samples are texts: a list, an array or a column of them, perhaps with gaps.

    Example:
        >>> holds_texts([None, "b"]), holds_texts([[1.0]])
        (True, False)
    """
    if is_frame(X) or not hasattr(X, "__len__") or not len(X) or getattr(X, "ndim", 1) != 1:
        return False
    return any(isinstance(each, str) for each in X)


def texts_of(X: Any) -> list[Any]:
    """Texts as a list; an array ``(n, 1)``, as a ``ColumnTransformer`` gives it, is one too."""
    samples = listed_samples(X, "a text")
    if isinstance(samples, np.ndarray) and samples.ndim == 2 and samples.shape[1] == 1:
        samples = samples[:, 0]
    return list(samples)


def with_parts(table: Table, targets: Sequence[Any], validation: np.ndarray) -> Table:
    """A table for training: with targets, and a column that says which rows validate.

    These rows come a second time as the test part, which a training scores at its end: users of scikit-learn keep rows
    of their own for a test, and none are lost to a second one.

    Args:
        table: Samples.
        targets: Target of each.
        validation: Numbers of the rows that validate. One at least.
    """
    training = np.setdiff1d(np.arange(len(table)), validation)
    if not len(training):  # a single sample, or all of one row
        training = validation
    order = np.concatenate([training, validation, validation]).tolist()
    parts = ["train"] * len(training) + ["valid"] * len(validation) + ["test"] * len(validation)
    columns = {name: [values[row] for row in order] for name, values in table.columns.items()}
    columns |= {LABEL: [targets[row] for row in order], SPLIT: parts}
    return SampleTable(PATH, columns, [table.rows[row] for row in order])


def validation_rows(strata: np.ndarray, share: float, random: np.random.RandomState) -> np.ndarray:
    """Numbers of the rows that validate: a share of each stratum, one row at least, and never all of a stratum.

    Args:
        strata: Class of each row; all the same for numbers.
        share: Share of the rows. From 0 to 1, both left out.
        random: Source of the choice.

    Example:
        >>> len(validation_rows(np.zeros(20), 0.1, np.random.RandomState(0)))
        2
    """
    chosen: list[int] = []
    _, members = np.unique(strata, return_inverse=True)
    for stratum in range(members.max() + 1):
        rows = random.permutation(np.flatnonzero(members == stratum))
        chosen += rows[: min(round(share * len(rows)), len(rows) - 1)].tolist()
    if not chosen:
        chosen = random.permutation(np.flatnonzero(members == np.bincount(members).argmax()))[:1].tolist()
    return np.sort(chosen)
