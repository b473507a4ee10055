"""Base of the norms, and how any norm meets tokens."""

from torch import nn

from sampleformer.functional.blocks import tokenwise
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
