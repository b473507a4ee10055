"""SAMSA's estimators: each of the k best is paired with each of the next k."""

from collections.abc import Callable

from torch import Tensor

from sampleformer.attention.samplers.base import best_candidates
from sampleformer.attention.samplers.choice import Choice
from sampleformer.attention.samplers.estimators.base import Estimator


class Pairing(Estimator):
    """The k best and the next k, mixed or compared in pairs by the probability that the first one beats the second.

    Args:
        choose: `kernels.choice.choose_hard` (the k best themselves, with the mixture's gradient for the scores) or
            `choose_soft` (the mixture).
        mixes: whether evaluation mixes too; else it takes the k best.

    Source: SAMSA (arXiv 2408.05391), section 3.
    """

    def __init__(self, choose: Callable[..., Tensor], *, mixes: bool) -> None:
        self.choose = choose
        self.mixes = mixes

    def train(
        self, scores: Tensor, mask: Tensor | None, noise: Tensor, scale: Tensor, k: int, temperature: Tensor
    ) -> Choice:
        """The k best with noise, and pairs; see `Estimator.train`."""
        return self._paired(scores, noise[0] * scale, mask, k, temperature)

    def evaluate(self, scores: Tensor, mask: Tensor | None, k: int, temperature: Tensor) -> Choice:
        """The k best, or their mixture; see `Estimator.evaluate`."""
        if not self.mixes:
            return super().evaluate(scores, mask, k, temperature)
        return self._paired(scores, None, mask, k, temperature)

    def _paired(self, scores: Tensor, noise: Tensor | None, mask: Tensor | None, k: int, temperature: Tensor) -> Choice:
        indices, valid = best_candidates(scores, 2 * k, mask, noise=noise, kernel=self.kernel)
        found = scores.gather(-1, indices)
        if noise is not None:
            found = found + noise.gather(-1, indices)
        temperature = temperature.to(scores.dtype)
        top_valid, rest_valid = (None, None) if valid is None else (valid[..., :k], valid[..., k:])

        def mix(candidates: Tensor) -> Tensor:
            top, rest = candidates[..., :k, :], candidates[..., k:, :]
            sides = (top, rest, found[..., :k], found[..., k:])
            return self.choose(*sides, temperature, top_valid, rest_valid, kernel=self.kernel)

        return Choice(indices, valid, min(k, indices.shape[-1]), mix)
