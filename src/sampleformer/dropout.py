"""The dropout that layers are built with."""

from jaxtyping import Float
from torch import Tensor

from sampleformer.functional.dropout import dropout
from sampleformer.modules import Module


class Dropout(Module):
    """Sets a random share of the features to zero in training, see `functional.dropout.dropout`.

    Args:
        probability: share set to zero.

    Raises:
        ValueError: if the probability is outside [0, 1).

    Example:
        >>> Dropout(0.1)
        Dropout(0.1)
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise ValueError(f"dropout is {probability}, expected at least 0 and less than 1")
        self.probability = probability

    def forward(self, features: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """The features, some of them dropped in training."""
        return dropout(features, self.probability, self.training)

    def extra_repr(self) -> str:
        return f"{self.probability}"
