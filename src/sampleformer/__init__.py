"""Transformers that attend to a sample of their tokens, so that cost grows linearly with the input."""

from typing import TYPE_CHECKING, Any

from sampleformer.attention import Attention, FullAttention, SamsaAttention, SftAttention, YosoAttention
from sampleformer.edges import Edges
from sampleformer.encoder import Encoder
from sampleformer.errors import InputError
from sampleformer.integrations.torch import SampledMultiheadAttention, swap
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.tokens import Tokens

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    """`Predictor`, which imports how data is read, and so is imported where it is used."""
    if name == "Predictor":
        from sampleformer.training.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
