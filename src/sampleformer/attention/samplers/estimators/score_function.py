"""The gradient of a choice from the loss alone."""

from torch import Tensor

from sampleformer.attention.samplers.choice import Choice
from sampleformer.attention.samplers.estimators.base import Estimator


class ScoreFunction(Estimator):
    """The k best with noise; the scores have no gradient but that of ``(loss − baseline) · log P(choice)``.

    Unbiased, and of high variance. The training step draws several choices for each sample, and each is measured by the
    mean loss of the others (`functional.score_function.leave_one_out`); the sampler says how probable its choice was
    (`Scores.log_probability`).

    Source: Williams 1992; Kool et al. 2019, Buy 4 REINFORCE samples, get a baseline for free! (ICLR workshop).
    """

    repeats = True

    def train(
        self, scores: Tensor, mask: Tensor | None, noise: Tensor, scale: Tensor, k: int, temperature: Tensor
    ) -> Choice:
        """The k best with noise; see `Estimator.train`."""
        return self.evaluate(scores + noise[0] * scale, mask, k, temperature)
