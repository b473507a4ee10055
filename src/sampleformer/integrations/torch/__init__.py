"""Sampled attention in the place of torch's `nn.MultiheadAttention`."""

from sampleformer.integrations.torch.multihead import SampledMultiheadAttention
from sampleformer.integrations.torch.replacement import swap

__all__ = ["SampledMultiheadAttention", "swap"]
