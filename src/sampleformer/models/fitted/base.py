"""The contract of a model that is solved at once."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from jaxtyping import Int
from pydantic import Field
from typing_extensions import Self

from sampleformer.errors import InputError
from sampleformer.models.base import Model
from sampleformer.models.fitted.columns import Columns
from sampleformer.tokens import Tokens

Strength = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""What errors weigh against weights."""

EXTRA = "train"
"""Extra of the installation that brings scikit-learn, which fits and is not needed afterwards."""


log = logging.getLogger("sampleformer")


class FittedModel(Model):
    """A model that is solved on the training part at once, without steps: it is fitted, never trained.

    What fitting decides of its size stands in its settings, so that a saved model can be built before its weights are
    read.

    Attributes:
        patience: Candidates without a better one after which no further one is fitted.
    """

    trained = False
    patience: ClassVar[int] = 2

    def _check_fitted(self, found: object) -> None:
        """Raises InputError where settings lack what fitting finds."""
        if not found:
            raise InputError(
                f"{self.name}: has not been fitted, expected a fitted one, see {type(self).__name__}.candidates"
            )

    @classmethod
    @abstractmethod
    def candidates(
        cls, settings: Any, inputs: Mapping[str, Any], chunks: Iterable[Tokens], columns: Columns, seed: int
    ) -> Iterator[Self]:
        """Fitted models, one for each value of what the validation part chooses; none where nothing can be learnt.

        Args:
            settings: Of the class's `Settings`.
            inputs: What the data says of its tokens.
            chunks: Samples of the training part; they are gone through once.
            columns: Their targets, in the order of the samples.
            seed: Seed of all that is random.

        Raises:
            InputError: if scikit-learn is missing.
        """

    def complete(self) -> None:
        """Fits what was left out while candidates were compared, once this one has been chosen."""


def fitted_rows(name: str, rows: int, most: int, seed: int) -> Int[np.ndarray, " kept"]:
    """Places of the samples that a model is fitted to: all, or of too many some drawn at random, which is said.

    Args:
        name: Name of the model.
        rows: Number of samples.
        most: Largest number that it can be fitted to. At least 1.
        seed: Seed of the drawing.

    Returns:
        The places, in ascending order.

    Example:
        >>> len(fitted_rows("kernel", rows=10, most=4, seed=0))
        4
    """
    if rows <= most:
        return np.arange(rows)
    log.info("%s is fitted to %s of %s samples, drawn at random", name, f"{most:,}", f"{rows:,}")
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
