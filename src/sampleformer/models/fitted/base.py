"""The contract of a model that is solved at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar

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
