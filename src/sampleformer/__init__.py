"""Transformers that attend to a sample of their tokens, so that cost grows linearly with the input."""

from sampleformer.attention import FullAttention, SamsaAttention
from sampleformer.encoder import Encoder
from sampleformer.errors import InputError
from sampleformer.model import ModelSettings, TokenModel
from sampleformer.tokens import Tokens

__version__ = "0.1.0"

__all__ = ["Encoder", "FullAttention", "InputError", "ModelSettings", "SamsaAttention", "TokenModel", "Tokens"]
