"""Local parts of a layer: what a token gets of its neighbourhood, beside the sampled attention."""

from sampleformer.attention.local.edges import EdgeMessages, LocalEdges
from sampleformer.attention.local.registry import LOCALS, told_local
from sampleformer.attention.local.window import WindowAttention

__all__ = ["LOCALS", "EdgeMessages", "LocalEdges", "WindowAttention", "told_local"]
