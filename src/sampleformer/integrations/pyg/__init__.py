"""PyTorch Geometric: sampled attention over batches of graphs."""

from sampleformer.integrations.pyg.graph_attention import SampledGraphAttention

__all__ = ["SampledGraphAttention"]
