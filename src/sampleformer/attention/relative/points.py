"""Relative features made of where two tokens are in space."""

from torch import Tensor

from sampleformer.attention.relative.base import PairTerms, Relative, gathered
from sampleformer.attention.samplers.choice import Choice
from sampleformer.functional.distances import feature_terms
from sampleformer.tokens import Tokens


class PointRelative(Relative):
    """Base of those that have a few numbers a pair: a subclass says in `features` which, from the fields it needs.

    The features are made for every candidate and mixed as the slots are, before the weights make h terms of them.
    """

    invariant = True

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
