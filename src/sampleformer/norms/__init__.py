"""The norms that layers are built with."""

from torch import nn

from sampleformer.norms.batch import BatchNorm
from sampleformer.norms.layer import LayerNorm
from sampleformer.norms.rms import RMSNorm

NORMS: dict[str, type[nn.Module]] = {"rms": RMSNorm, "layer": LayerNorm, "batch": BatchNorm}

__all__ = ["NORMS", "BatchNorm", "LayerNorm", "RMSNorm"]
