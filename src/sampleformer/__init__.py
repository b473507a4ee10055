"""Transformers that attend to a sample of their tokens, so that cost grows linearly with the input."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sampleformer.attention import Attention, FullAttention, SamsaAttention, SftAttention, YosoAttention
    from sampleformer.edges import Edges
    from sampleformer.encoder import Encoder
    from sampleformer.errors import InputError
    from sampleformer.integrations.torch import SampledMultiheadAttention, swap
    from sampleformer.models import ModelSettings, TokenModel
    from sampleformer.tokens import Tokens
    from sampleformer.training.predictor import Predictor

__version__ = "0.1.0"

__all__ = [
    "Attention",
    "Edges",
    "Encoder",
    "FullAttention",
    "InputError",
    "ModelSettings",
    "Predictor",
    "SampledMultiheadAttention",
    "SamsaAttention",
    "SftAttention",
    "TokenModel",
    "Tokens",
    "YosoAttention",
    "swap",
]


# The program's help and its first errors need neither torch nor any of these, and so come at once.
_MODULES = {
    "Attention": "attention",
    "Edges": "edges",
    "Encoder": "encoder",
    "FullAttention": "attention",
    "InputError": "errors",
    "ModelSettings": "models",
    "Predictor": "training.predictor",
    "SampledMultiheadAttention": "integrations.torch",
    "SamsaAttention": "attention",
    "SftAttention": "attention",
    "TokenModel": "models",
    "Tokens": "tokens",
    "YosoAttention": "attention",
    "swap": "integrations.torch",
}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Public names, imported or not."""
    return sorted({*globals(), *__all__})
