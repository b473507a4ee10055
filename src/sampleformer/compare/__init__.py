"""Comparison of our model with simple ones on the user's data."""

from sampleformer.compare.comparison import compare
from sampleformer.compare.simple_model import SimpleModel, Trial
from sampleformer.compare.simple_models import SIMPLE_MODELS

__all__ = ["SIMPLE_MODELS", "SimpleModel", "Trial", "compare"]
