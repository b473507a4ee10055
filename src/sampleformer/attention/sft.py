"""SFT: all heads attend to one sample of the tokens, through Maxout scores that may leak."""

from torch import nn

from sampleformer.attention.base import Attention, check_heads
from sampleformer.attention.mixings import ScoredMixing
from sampleformer.attention.relative import RelativeChoice, make_relative
from sampleformer.attention.samplers import PairSampler


class SftAttention(Attention):
    """Leaky Maxout attention of all tokens over k of them, chosen once for all heads: cost O(n·k).

    A `PairSampler` with a `ScoredMixing`: the score is ``m_ij = Σ_c (max(q_ic, k_jc) − 1/√π) / √(1 − 1/π) / √e``, with
    relative terms ``a_ij = m_ij softplus(w·r_ij) + u·r_ij``, and the weights are ``relu(a_ij) / (Σ_j relu(a_ij) +
    Σ_j softplus(c_j))``, so that a token may attend to nothing.

    Queries and keys start with mean 0 and variance 1, from weights of variance 1/d: the score's constants are made for
    them. Smaller ones, torch's default, put nearly all scores below zero, where relu lets nothing through to learn.

    Args:
        width: d, of the tokens.
        heads: h, must divide the width.
        sampled: k, how many tokens are chosen; all of them if there are fewer.
        token_dropout: probability that a token cannot be chosen in a training pass.
        score: ``"maxout"`` or ``"scaled_dot"``, see `functional.scores`.
        probability: ``"leaky_relu"``, ``"leaky_softmax"`` or ``"softmax"``, see `functional.probabilities`.
        relative: relative terms of pairs: a built part, the name of one or its name and arguments, see
            `attention.relative`; None: places do not matter.
        kernel: ``"auto"``: a Triton kernel where it can run, which makes no n·k scores; ``"plain"``: none;
            ``"triton"``: nothing else.
        norm: applied to the features before the projections, not before the sampler.
        bias: whether the projections have one.

    Raises:
        ValueError: if sampled < 1, token_dropout is outside [0, 1), the score, the probability or the kernel
            is unknown; and as `Attention`. When it is called, if the kernel is ``"triton"`` and cannot run.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> import torch
        >>> from sampleformer import Tokens
        >>> SftAttention(8, 2, sampled=3)(Tokens(torch.zeros(1, 5, 8))).shape
        torch.Size([1, 5, 8])
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        sampled: int = 256,
        token_dropout: float = 0.0,
        score: str = "maxout",
        probability: str = "leaky_relu",
        relative: RelativeChoice = None,
        kernel: str = "auto",
        norm: nn.Module | None = None,
        bias: bool = True,
    ) -> None:
        check_heads(width, heads)
        sampler = PairSampler(width, sampled=sampled, token_dropout=token_dropout, kernel=kernel)
        mixing = ScoredMixing(score, probability, kernel)
        super().__init__(
            width,
            heads,
            sampler=sampler,
            mixing=mixing,
            relative=make_relative(relative, heads),
            norm=norm,
            bias=bias,
            kernel=kernel,
        )
