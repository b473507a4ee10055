"""The k best forwards, a smooth top-k backwards."""

from torch import Tensor

from sampleformer.attention.samplers.base import best_candidates
from sampleformer.attention.samplers.choice import Choice
from sampleformer.attention.samplers.estimators.base import Estimator, all_candidates_as_slots, first_present
from sampleformer.functional.relaxed_topk import relaxed_topk


class StraightThrough(Estimator):
    """Forward, the k best with noise; backward, what `relaxed_topk` of the 2k best would have had as gradient.

    The next k are slots too, present zero times: attention says what each of them would have changed, and its score
    hears of it.

    Source: Bengio et al. 2013 (arXiv 1308.3432), section 4, with the top-k of Amos et al. 2019 (arXiv 1906.08707).
    """

    def train(
        self, scores: Tensor, mask: Tensor | None, noise: Tensor, scale: Tensor, k: int, temperature: Tensor
    ) -> Choice:
        """The k best with noise are present, the next k absent; see `Estimator.train`."""
        scores = scores + noise[0] * scale
        indices, valid = best_candidates(scores, 2 * k, mask, kernel=self.kernel)
        shares = relaxed_topk(scores.gather(-1, indices), k, temperature, valid)
        return all_candidates_as_slots(indices, valid, k, first_present(shares, k))
