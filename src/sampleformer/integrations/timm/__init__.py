"""Sampled attention in vision transformers of timm."""

from sampleformer.integrations.timm.attention import SampledViTAttention, swap

__all__ = ["SampledViTAttention", "swap"]
