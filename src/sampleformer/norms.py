"""The norms that layers are built with, and how any norm meets tokens."""

from contextlib import ExitStack

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sampleformer.distributed.shared_batch import is_shared
from sampleformer.functional.batch_norm import batch_norm, batch_statistics, normalise_by
from sampleformer.functional.blocks import tokenwise
from sampleformer.functional.norms import rms_norm
from sampleformer.modules import Module
from sampleformer.tokens import Tokens


class Norm(Module):
    """Base of the package's norms: takes features ``(…, d)`` and perhaps a mask ``(…)``, and returns features."""

    @property
    def tokenwise(self) -> bool:
        """Whether each token is normalised by itself, so that any part of the tokens may be normalised alone.

        A norm that is not must be called once, with all tokens and their mask.
        """
        return True


def is_tokenwise(norm: nn.Module) -> bool:
    """Whether a norm treats each token alone. Norms from elsewhere do not say; those that make sense for tokens do.

    Example:
        >>> is_tokenwise(nn.LayerNorm(8))
        True
    """
    return bool(getattr(norm, "tokenwise", True))


def normalised(norm: nn.Module | None, tokens: Tokens) -> Tokens:
    """The tokens after a norm: in blocks where it may be, with the mask where it must.

    Args:
        norm: Any norm. None: the tokens stay as they are.
        tokens: Tokens with features ``(b, n, d)``.
    """
    if norm is None:
        return tokens
    if not is_tokenwise(norm):
        return tokens.with_features(norm(tokens.features, tokens.mask))
    return tokens.with_features(tokenwise(norm, tokens.features, widest=tokens.features.shape[-1]))


class RMSNorm(Norm):
    """``x / sqrt(mean(x²) + epsilon) · weight`` of each token.

    Args:
        width: d, of the tokens.
        epsilon: added to the mean square.

    Source: Zhang and Sennrich 2019 (arXiv 1910.07467).

    Example:
        >>> RMSNorm(2)(torch.tensor([[[3.0, 4.0]]])).shape
        torch.Size([1, 1, 2])
    """

    def __init__(self, width: int, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.empty(width))
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        nn.init.ones_(self.weight)

    def forward(
        self, features: Float[Tensor, "*rows d"], mask: Bool[Tensor, "*rows"] | None = None
    ) -> Float[Tensor, "*rows d"]:
        """Normalises each token by itself; the mask does not matter."""
        return rms_norm(features, self.weight, self.epsilon)

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, epsilon={self.epsilon}"


class LayerNorm(Norm):
    """``(x - mean(x)) / sqrt(variance(x) + epsilon) · weight + bias`` of each token.

    Args:
        width: d, of the tokens.
        epsilon: added to the variance.

    Source: Ba et al. 2016 (arXiv 1607.06450).

    Example:
        >>> LayerNorm(2)(torch.tensor([[[3.0, 5.0]]]))
        tensor([[[-1.0000,  1.0000]]], grad_fn=<NativeLayerNormBackward0>)
    """

    def __init__(self, width: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width))
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(
        self, features: Float[Tensor, "*rows d"], mask: Bool[Tensor, "*rows"] | None = None
    ) -> Float[Tensor, "*rows d"]:
        """Normalises each token by itself; the mask does not matter."""
        weight, bias = self.weight.to(features.dtype), self.bias.to(features.dtype)
        return F.layer_norm(features, weight.shape, weight, bias, self.epsilon)

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, epsilon={self.epsilon}"


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


NORMS: dict[str, type[Norm]] = {"rms": RMSNorm, "layer": LayerNorm, "batch": BatchNorm}
