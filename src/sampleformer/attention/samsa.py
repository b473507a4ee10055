"""SAMSA: every head attends to the tokens that it finds most important."""

from torch import nn

from sampleformer.attention.base import Attention, check_heads
from sampleformer.attention.samplers import ImportanceSampler


class SamsaAttention(Attention):
    """Softmax attention of all tokens over k of them, chosen by each head with a learned score: cost O(n·k).

    An `ImportanceSampler` with the default mixing: ``softmax(q kᵀ / √e) v`` over the chosen keys and values. Tokens are
    chosen first and projected afterwards, so only 2k of them (k in evaluation with a hard choice) ever get a key and a
    value.

    Args:
        width: d, of the tokens.
        heads: h, must divide the width.
        sampled: k, how many tokens a head attends to; all of them if there are fewer.
        groups: how many choices are made, each shared by ``h / groups`` heads; None, as published: one for each head.
        choice: how the scores get a gradient: ``"hard"`` or ``"soft"`` as published, or another one of
            `attention.samplers.estimators.ESTIMATORS`.
        temperature: T > 0 of the estimator, one for each group.
        learned_temperature: whether T is trained, as ``softplus`` of a parameter.
        extra: learned tokens (score, key and value for each head) that join the candidates, so that a head may attend
            to nothing. The publication always has 2k of them.
        noise: scale of the Gumbel noise in training, 1 as published; 0: training chooses what evaluation chooses, which
            goes well with ``"straight_through"``.
        norm: applied to the features before the projections, not before the scorer.
        bias: whether the projections have one.
        kernel: that chooses and projects what was chosen: ``"auto"``, ``"plain"`` or ``"triton"``, see
            `kernels.use_triton`.

    Raises:
        ValueError: if sampled < 1, temperature <= 0, extra < 0, noise < 0, or the choice is unknown; and as
            `Attention`.

    Source: SAMSA (arXiv 2408.05391), section 3. Unlike the published code, evaluation is without noise and dropout.

    Example:
        >>> import torch
        >>> from sampleformer import Tokens
        >>> attention = SamsaAttention(8, 2, sampled=3).eval()
        >>> result, selection = attention(Tokens(torch.zeros(1, 5, 8)), return_selection=True)
        >>> result.shape, selection.indices.shape
        (torch.Size([1, 5, 8]), torch.Size([1, 2, 3]))
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        sampled: int = 256,
        groups: int | None = None,
        choice: str = "hard",
        temperature: float = 1.0,
        learned_temperature: bool = False,
        extra: int = 0,
        noise: float = 1.0,
        norm: nn.Module | None = None,
        bias: bool = True,
        kernel: str = "auto",
    ) -> None:
        check_heads(width, heads)
        sampler = ImportanceSampler(
            width,
            heads if groups is None else groups,
            sampled=sampled,
            choice=choice,
            temperature=temperature,
            learned_temperature=learned_temperature,
            extra=extra,
            noise=noise,
            kernel=kernel,
        )
        super().__init__(width, heads, sampler=sampler, norm=norm, bias=bias, kernel=kernel)
