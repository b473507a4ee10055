"""Transformers that attend to a sample of their tokens, so that cost grows linearly with the input."""

from sampleformer.attention import Attention, FullAttention, SamsaAttention, SftAttention, YosoAttention
from sampleformer.edges import Edges
from sampleformer.encoder import Encoder
from sampleformer.errors import InputError
from sampleformer.integrations.torch import SampledMultiheadAttention, swap
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.tokens import Tokens

__version__ = "0.1.0"

__all__ = [
    "Attention",
    "Edges",
    "Encoder",
    "FullAttention",
    "InputError",
    "ModelSettings",
    "SampledMultiheadAttention",
    "SamsaAttention",
    "SftAttention",
    "TokenModel",
    "Tokens",
    "YosoAttention",
    "swap",
]
