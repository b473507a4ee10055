"""BatchNorm: each feature shifted and divided by its statistics over all real tokens."""

from contextlib import ExitStack

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sampleformer.distributed.shared_batch import is_shared
from sampleformer.functional.batch_norm import batch_norm, batch_statistics, normalise_by
from sampleformer.norms.base import Norm


class BatchNorm(Norm):
    """``(x - mean) / sqrt(variance + epsilon) · weight + bias``, the statistics of each feature over the real tokens.

    In training they are those of the batch, and running ones follow them: ``running ← (1 - momentum) running +
    momentum · batch's``, the variance unbiased as in `torch.nn.BatchNorm1d`. A batch with fewer than two real tokens
    has no variance and leaves them as they are. In evaluation the running ones are used. Where processes share a batch
    (`distributed.shared_batch`), the statistics are those of all its tokens.

    Args:
        width: d, of the tokens.
        epsilon: added to the variance.
        momentum: share of a batch in the running statistics.

    Source: Ioffe and Szegedy 2015 (arXiv 1502.03167), section 3.

    Example:
        >>> norm = BatchNorm(1)
        >>> mask = torch.tensor([[True, True, False]])
        >>> norm(torch.tensor([[[3.0], [5.0], [100.0]]]), mask).detach().flatten()
        tensor([-1.0000,  1.0000,  0.0000])
        >>> norm.running_mean
        tensor([0.4000])
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int, epsilon: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.momentum = momentum
        self.weight = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width))
        self.register_buffer("running_mean", torch.empty(width))
        self.register_buffer("running_var", torch.empty(width))
        self._given: tuple[Tensor, Tensor] | None = None
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        for each in (self.weight, self.running_var):
            nn.init.ones_(each)
        for each in (self.bias, self.running_mean):
            nn.init.zeros_(each)

    @property
    def tokenwise(self) -> bool:
        """Whether each token is normalised by itself, now and later: given statistics are gone in a backward pass."""
        return not self.training

    def given(self, mean: Tensor, variance: Tensor, count: Tensor) -> ExitStack:
        """Context in which training normalises by statistics of more tokens than it gets; running ones follow them.

        It begins at once.

        Args:
            mean, variance: Statistics of each feature, ``(d,)``.
            count: Number of tokens that they are of.
        """
        held = ExitStack()
        if self.training:
            self._follow(mean, variance, count)
            self._given = mean, variance
            held.callback(setattr, self, "_given", None)
        return held

    def forward(
        self, features: Float[Tensor, "*rows d"], mask: Bool[Tensor, "*rows"] | None = None
    ) -> Float[Tensor, "*rows d"]:
        """Normalises the tokens.

        Args:
            features: of all tokens.
            mask: True where a token is real. In training the others enter no statistics, and the bias stands in their
                places; in evaluation the mask does not matter. None: all are real.
        """
        if not self.training:
            return normalise_by(features, self.running_mean, self.running_var, self.weight, self.bias, self.epsilon)
        if self._given is not None:
            return normalise_by(features, *self._given, self.weight, self.bias, self.epsilon)
        if is_shared():
            mean, variance, count = batch_statistics([features], [mask])
            self._follow(mean, variance, count)
            return normalise_by(features, mean, variance, self.weight, self.bias, self.epsilon)
        normal, mean, variance, count = batch_norm(features, self.weight, self.bias, mask, self.epsilon)
        self._follow(mean, variance, count)
        return normal

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        share = self.momentum * (count > 1).to(count.dtype)
        unbiased = variance * (count / (count - 1).clamp(min=1))
        self.running_mean += share * (mean - self.running_mean)
        self.running_var += share * (unbiased - self.running_var)

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, epsilon={self.epsilon}, momentum={self.momentum}"
