"""Point clouds: relative features made of where two points are, and of how their surfaces face."""

from typing import ClassVar

from torch import Tensor

from sampleformer.attention.relative.base import PairTerms, Relative, gathered
from sampleformer.attention.samplers.choice import Choice
from sampleformer.functional.distances import distance_normal_features, feature_terms, squared_distances
from sampleformer.tokens import Tokens


class PointRelative(Relative):
    """Base of those that have a few numbers a pair: a subclass says in `features` which, from the fields it needs.

    The features are made for every candidate and mixed as the slots are, before the weights make h terms of them.

    Args:
        heads: h.

    Attributes:
        numbers: Features of a pair.

    Raises:
        ValueError: if the heads are not positive.
    """

    invariant = True
    numbers: ClassVar[int]

    def __init__(self, heads: int) -> None:
        super().__init__(heads, self.numbers)

    def features(self, *of_pairs: Tensor) -> list[Tensor]:
        """Features of pairs, each ``(b, g, n, m)``.

        Args:
            of_pairs: for each field of `needs`, what the queries have, ``(b, n, c)``, and what the chosen tokens have,
                ``(b, g, m, c)``.
        """
        raise NotImplementedError

    def terms(self, tokens: Tokens, context: Tokens, choice: Choice) -> PairTerms:
        """Both terms, see `Relative.terms`."""
        chosen = [gathered(getattr(context, name), choice.indices) for name in self.needs]

        def make(*of_queries: Tensor) -> tuple[Tensor, Tensor]:
            both_ends = [end for ends in zip(of_queries, chosen, strict=True) for end in ends]
            mixed = [choice.mixed_columns(plane) for plane in self.features(*both_ends)]
            return self.both(lambda weight: feature_terms(mixed, weight))

        return PairTerms(tuple(getattr(tokens, name) for name in self.needs), make)


class DistanceRelative(PointRelative):
    """Terms of the squared distance of two points: ``r_ij = ‖x_i − x_j‖²``.

    Args:
        heads: h.

    Raises:
        ValueError: if the heads are not positive.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> import torch
        >>> from sampleformer.tokens import Tokens
        >>> tokens = Tokens(torch.zeros(1, 5, 8), coordinates=torch.rand(1, 5, 3))
        >>> multiplicative, additive = DistanceRelative(heads=4)(tokens, tokens, torch.tensor([[[0, 3]]]))
        >>> additive.shape
        torch.Size([1, 4, 5, 2])
    """

    needs = ("coordinates",)
    numbers = 1

    def features(self, *of_pairs: Tensor) -> list[Tensor]:
        """The squared distance, see `PointRelative.features`."""
        return [squared_distances(*of_pairs)]


class DistanceNormalsRelative(PointRelative):
    """Terms of the distance of two points and the dot product of their normals: ``r_ij = [‖x_i − x_j‖, ν_i · ν_j]``.

    Args:
        heads: h.

    Raises:
        ValueError: if the heads are not positive.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> import torch
        >>> from sampleformer.tokens import Tokens
        >>> tokens = Tokens(torch.zeros(1, 5, 8), coordinates=torch.rand(1, 5, 3), normals=torch.rand(1, 5, 3))
        >>> multiplicative, additive = DistanceNormalsRelative(heads=4)(tokens, tokens, torch.tensor([[[0, 3]]]))
        >>> additive.shape
        torch.Size([1, 4, 5, 2])
    """

    needs = ("coordinates", "normals")
    numbers = 2

    def features(self, *of_pairs: Tensor) -> list[Tensor]:
        """The distance and the dot product of the normals, see `PointRelative.features`."""
        return distance_normal_features(*of_pairs)
