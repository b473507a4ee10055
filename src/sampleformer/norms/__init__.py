"""The norms that layers are built with."""

from sampleformer.norms.base import Norm, is_tokenwise, normalised
from sampleformer.norms.batch import BatchNorm
from sampleformer.norms.layer import LayerNorm
from sampleformer.norms.rms import RMSNorm

NORMS: dict[str, type[Norm]] = {"rms": RMSNorm, "layer": LayerNorm, "batch": BatchNorm}

__all__ = ["NORMS", "BatchNorm", "LayerNorm", "Norm", "RMSNorm", "is_tokenwise", "normalised"]
