"""How the scores of a choice get a gradient: `ESTIMATORS`."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from sampleformer.attention.samplers.base import best_candidates
from sampleformer.attention.samplers.choice import Choice
from sampleformer.functional.relaxed_topk import relaxed_subset, relaxed_topk
from sampleformer.functional.subsets import sample_subset, subset_marginals
from sampleformer.kernels.choice import choose_hard, choose_soft


class Estimator:
    """How a choice of the k best scores is made in training, and how the scores get a gradient from it.

    A choice is a step function of the scores, so it has no gradient of its own. An estimator has no state; a subclass
    writes `train` and, if evaluation is not simply the k best, `evaluate`.
    """

    draws: int = 1
    """Random numbers for each candidate: Gumbel noise first, then uniform ones."""

    repeats: bool = False
    """Whether the loss itself enters the gradient, so that training draws several choices for each sample."""

    learns: bool = True
    """Whether the loss of the task teaches the scores."""

    kernel: str = "auto"
    """That chooses, see `kernels.use_triton`."""

    def on(self, kernel: str) -> "Estimator":
        """The same estimator with that kernel."""
        other = copy.copy(self)
        other.kernel = kernel
        return other

    def train(
        self, scores: Tensor, mask: Tensor | None, noise: Tensor, scale: Tensor, k: int, temperature: Tensor
    ) -> Choice:
        """A random choice with a gradient for the scores.

        Args:
            scores: s, without noise, shape ``(b, g, n)``.
            mask: True where a token may be chosen, shape ``(b, g, n)``. None: all may.
            noise: of this pass, shape ``(draws, b, g, n)``.
            scale: of the Gumbel noise, 0-dim; 1 as published, 0: the k best.
            k: how many to choose.
            temperature: T of each group, shape ``(g,)``.
        """
        raise NotImplementedError

    def evaluate(self, scores: Tensor, mask: Tensor | None, k: int, temperature: Tensor) -> Choice:
        """The choice without noise: the k best."""
        indices, valid = best_candidates(scores, k, mask, kernel=self.kernel)
        return Choice(indices, valid, indices.shape[-1])


def all_candidates_as_slots(
    indices: Tensor, valid: Tensor | None, k: int, presence: Tensor, *, in_part: bool = False
) -> Choice:
    """A choice whose slots hold all candidates, of which the first k are chosen.

    Args:
        indices, valid, presence: of all candidates, see `Choice`.
        k: how many are chosen.
        in_part: whether the others are present too. False: they are absent.
    """
    candidates = indices.shape[-1]
    chosen = min(k, candidates)
    present = None if in_part else chosen
    return Choice(indices, valid, candidates, presence=presence, chosen=chosen, present=present)


def first_present(shares: Tensor, k: int) -> Tensor:
    """One for the first k slots and zero for the others, with the gradient of the shares.

    Source: the straight-through estimator, Bengio et al. 2013 (arXiv 1308.3432), section 4.
    """
    chosen = (torch.arange(shares.shape[-1], device=shares.device) < k).to(shares.dtype)
    return chosen + (shares - shares.detach())


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


ESTIMATORS: dict[str, Estimator] = {
    "hard": Pairing(choose_hard, mixes=False),
    "soft": Pairing(choose_soft, mixes=True),
    "straight_through": StraightThrough(),
    "relaxed_subset": RelaxedSubset(),
    "simple": Simple(),
    "score_function": ScoreFunction(),
    "gated": Gated(),
    "detached": Detached(),
}
