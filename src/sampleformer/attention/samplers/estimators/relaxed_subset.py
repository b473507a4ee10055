"""The relaxed sample of k, by k softmaxes in turn."""

from torch import Tensor

from sampleformer.attention.samplers.base import best_candidates
from sampleformer.attention.samplers.choice import Choice
from sampleformer.attention.samplers.estimators.base import Estimator, all_candidates_as_slots
from sampleformer.functional.relaxed_topk import relaxed_subset


class RelaxedSubset(Estimator):
    """Training sees the 2k best tokens with noise, each present as far as a relaxed sample of k has it.

    Evaluation takes the k best. The gradient is that of the relaxed sample, exact and of low variance, but the model of
    training is another one than that of evaluation unless T is small. As published all n tokens take part; here it is
    the 2k best of them, which keeps the cost at O(n·k).

    Source: Xie and Ermon 2019 (arXiv 1901.10517), section 3.
    """

    def train(
        self, scores: Tensor, mask: Tensor | None, noise: Tensor, scale: Tensor, k: int, temperature: Tensor
    ) -> Choice:
        """All candidates, present in part; see `Estimator.train`."""
        scores = scores + noise[0] * scale
        indices, valid = best_candidates(scores, 2 * k, mask, kernel=self.kernel)
        presence = relaxed_subset(scores.gather(-1, indices), k, temperature, valid)
        return all_candidates_as_slots(indices, valid, k, presence, in_part=True)
