"""The k best, from which the scores learn nothing."""

from torch import Tensor

from sampleformer.attention.samplers.base import best_candidates
from sampleformer.attention.samplers.choice import Choice
from sampleformer.attention.samplers.estimators.base import Estimator


class Detached(Estimator):
    """The k best with noise, without a gradient: another term of the loss teaches the scores, or nothing does.

    Such a term is `functional.attention_mass.mass_divergence`, in a recipe ``training.score_mass``.
    """

    learns = False

    def train(
        self, scores: Tensor, mask: Tensor | None, noise: Tensor, scale: Tensor, k: int, temperature: Tensor
    ) -> Choice:
        """The k best with noise; see `Estimator.train`."""
        indices, valid = best_candidates(scores.detach() + noise[0] * scale, k, mask, kernel=self.kernel)
        return Choice(indices, valid, indices.shape[-1])
