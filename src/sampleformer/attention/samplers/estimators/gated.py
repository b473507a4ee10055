"""The k best, each with its value multiplied by what its score says."""

from torch import Tensor

from sampleformer.attention.samplers.base import best_candidates
from sampleformer.attention.samplers.choice import Choice
from sampleformer.attention.samplers.estimators.base import Estimator


class Gated(Estimator):
    """Values of the chosen tokens are multiplied by ``sigmoid(s / T)``: a score learns from how useful its value was.

    As routers of experts have it. The gate is the score without noise, in training and in evaluation, so it is part of
    the model. Tokens that were not chosen teach nothing.

    Source: Shazeer et al. 2017 (arXiv 1701.06538), section 2.1; Raposo et al. 2024 (arXiv 2404.02258), section 3.4.
    """

    def train(
        self, scores: Tensor, mask: Tensor | None, noise: Tensor, scale: Tensor, k: int, temperature: Tensor
    ) -> Choice:
        """The k best with noise, gated; see `Estimator.train`."""
        return self._gated(scores, scores + noise[0] * scale, mask, k, temperature)

    def evaluate(self, scores: Tensor, mask: Tensor | None, k: int, temperature: Tensor) -> Choice:
        """The k best, gated; see `Estimator.evaluate`."""
        return self._gated(scores, scores, mask, k, temperature)

    def _gated(self, scores: Tensor, ranks: Tensor, mask: Tensor | None, k: int, temperature: Tensor) -> Choice:
        indices, valid = best_candidates(ranks, k, mask, kernel=self.kernel)
        gate = (scores.gather(-1, indices) / temperature.to(scores.dtype)[:, None]).sigmoid()
        return Choice(indices, valid, indices.shape[-1], gate=gate)
