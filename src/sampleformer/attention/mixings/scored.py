"""Attention by scores: a score of every pair, turned into weights."""

from torch import Tensor

from sampleformer.attention.mixings.base import Mixing
from sampleformer.attention.mixings.records import Keys, Queries
from sampleformer.errors import nearest
from sampleformer.functional.counted import counted_attention
from sampleformer.functional.fused import fused_attention
from sampleformer.functional.probabilities import PROBABILITIES
from sampleformer.functional.scores import SCORES
from sampleformer.kernels import check_kernel, scored_attention


class ScoredMixing(Mixing):
    """``out_i = Σ_j A_ij v_j`` with ``A_i = probability(score(q_i, k_j) · softplus(w·r_ij) + u·r_ij)``.

    The scaled dot product with softmax and without relative terms runs through torch's fused attention.

    Args:
        score: ``"scaled_dot"`` or ``"maxout"``, see `functional.scores`.
        probability: ``"softmax"``, ``"leaky_relu"`` or ``"leaky_softmax"``, see `functional.probabilities`.
        kernel: ``"auto"``: a Triton kernel for the score ``"maxout"``, where it can run; ``"plain"``: none;
            ``"triton"``: nothing else.

    Raises:
        ValueError: if the score, the probability or the kernel does not exist; when it is called, if the kernel is
            ``"triton"`` and cannot run.

    Source: SFT (arXiv 2408.05822), section 3, of which softmax attention is a special case.

    Example:
        >>> import torch
        >>> query, key, value = torch.zeros(3, 1, 2, 5, 4)
        >>> ScoredMixing("maxout", "softmax")(Queries(query), Keys(key, value)).shape
        torch.Size([1, 2, 5, 4])
    """

    relates = True

    def __init__(self, score: str = "scaled_dot", probability: str = "softmax", kernel: str = "auto") -> None:
        super().__init__()
        check_kernel(kernel)
        for argument, name, known in (("score", score, SCORES), ("probability", probability, PROBABILITIES)):
            if name not in known:
                raise ValueError(f"{argument} is {name!r}; {nearest(name, known)}")
        self.score = score
        self.probability = probability
        self.kernel = kernel
        self.leaks = PROBABILITIES[probability].leaks
        self.standardised = score == "maxout"

    def numbers_per_query(self, keys: int, *, related: bool = False) -> int:
        """Torch's fused attention keeps no scores; others do, and are quicker in blocks that overflow the cache."""
        if related:
            return keys
        return 0 if self._is_fused else keys // 2

    @property
    def _is_fused(self) -> bool:
        return self.score == "scaled_dot" and self.probability == "softmax"

    def forward(
        self,
        queries: Queries,
        keys: Keys,
        bias: tuple[Tensor, Tensor] | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Mixes, see `Mixing.forward`."""
        query, key, value, valid = queries.q, keys.k, keys.v, keys.valid
        if self._is_fused and bias is None and self.kernel != "triton":
            if keys.weights is not None:
                return counted_attention(query, key, value, keys.weights, valid, present=keys.counting)
            return fused_attention(query, key, value, valid)
        return scored_attention(
            query,
            key,
            value,
            valid,
            leak=keys.sink,
            terms=bias,
            presence=keys.weights,
            score=self.score,
            probability=self.probability,
            kernel=self.kernel,
        )

    def extra_repr(self) -> str:
        return f"score={self.score}, probability={self.probability}, kernel={self.kernel}"
