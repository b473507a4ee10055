"""The layer and the stack: attention, MLP, norm and residual."""

from sampleformer.encoder.feed_forward import FeedForward
from sampleformer.encoder.layer import EncoderLayer
from sampleformer.encoder.stack import NORM_POSITIONS, Encoder, check_layers

__all__ = ["NORM_POSITIONS", "Encoder", "EncoderLayer", "FeedForward", "check_layers"]
