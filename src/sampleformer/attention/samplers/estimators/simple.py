"""An exact sample of k with the exact gradient of its marginals."""

import torch
from torch import Tensor

from sampleformer.attention.samplers.base import best_candidates
from sampleformer.attention.samplers.choice import Choice
from sampleformer.attention.samplers.estimators.base import Estimator, all_candidates_as_slots, first_present
from sampleformer.functional.subsets import sample_subset, subset_marginals


class Simple(Estimator):
    """Forward, a subset of k drawn with ``P(S) ∝ exp(Σ_{i in S} s_i / T)``; backward, the gradient of its marginals.

    As published the subset is drawn from all n tokens, in O(n·k) steps of which n must be taken in turn. Here 2k
    candidates are drawn first, by Gumbel top-k, and the subset and its marginals are those among the candidates: the
    published form whenever ``n <= 2k``. Noise of another scale draws as if T were multiplied by it, and the k best
    where it is zero; the marginals stay those at T, or scores would learn the faster the less noise there is.

    Source: Ahmed et al. 2023 (arXiv 2210.01941), sections 3 and 4.
    """

    draws = 2

    def train(
        self, scores: Tensor, mask: Tensor | None, noise: Tensor, scale: Tensor, k: int, temperature: Tensor
    ) -> Choice:
        """The subset is present, the other candidates are absent; see `Estimator.train`."""
        indices, valid = best_candidates(scores + noise[0] * scale, 2 * k, mask, kernel=self.kernel)
        noisy = scale > 0
        logits = scores.gather(-1, indices) / temperature.to(scores.dtype)[:, None]
        drawn = sample_subset(logits / torch.where(noisy, scale, 1), k, noise[1].gather(-1, indices), valid)
        best = torch.arange(indices.shape[-1], device=indices.device) < k
        # The subset comes first, in the order of the candidates; what is no token stays last.
        first = (torch.where(noisy, drawn, best)).logical_not().to(torch.int8)
        if valid is not None:
            first = first + 2 * valid.logical_not().to(torch.int8)
        order = first.argsort(dim=-1, stable=True)
        indices, logits = indices.gather(-1, order), logits.gather(-1, order)
        valid = None if valid is None else valid.gather(-1, order)
        presence = first_present(subset_marginals(logits, k, valid), k)
        return all_candidates_as_slots(indices, valid, k, presence)
