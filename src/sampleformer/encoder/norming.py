"""Norms over tokens: in blocks where they may be, with the mask where they must."""

from torch import nn

from sampleformer.functional.blocks import tokenwise
from sampleformer.tokens import Tokens


def is_tokenwise(norm: nn.Module) -> bool:
    """Whether a norm treats each token alone. Norms from elsewhere do not say; those that make sense for tokens do."""
    return bool(getattr(norm, "tokenwise", True))


def normalised(norm: nn.Module | None, tokens: Tokens) -> Tokens:
    """The tokens after a norm; None: as they are."""
    if norm is None:
        return tokens
    if not is_tokenwise(norm):
        return tokens.with_features(norm(tokens.features, tokens.mask))
    return tokens.with_features(tokenwise(norm, tokens.features, widest=tokens.features.shape[-1]))
