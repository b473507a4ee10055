"""Norms over tokens: in blocks where they may be, with the mask where they must."""

from torch import nn

from sampleformer.functional.blocks import tokenwise
from sampleformer.tokens import Tokens


def is_tokenwise(norm: nn.Module) -> bool:
    """Whether a norm treats each token alone. Norms from elsewhere do not say; those that make sense for tokens do."""
    return bool(getattr(norm, "tokenwise", True))


def sees_whole_batch(model: nn.Module) -> bool:
    """Whether a part of a model that trains looks at all samples of a batch, as batch norms do, torch's too."""
    return any(
        isinstance(module, nn.modules.batchnorm._BatchNorm) or not is_tokenwise(module) for module in model.modules()
    )


def normalised(norm: nn.Module | None, tokens: Tokens) -> Tokens:
    """The tokens after a norm; None: as they are."""
    if norm is None:
        return tokens
    if not is_tokenwise(norm):
        return tokens.with_features(norm(tokens.features, tokens.mask))
    return tokens.with_features(tokenwise(norm, tokens.features, widest=tokens.features.shape[-1]))
