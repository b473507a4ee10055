"""Runs on texts as models, configurations and tokenizers of transformers."""

from sampleformer.integrations.huggingface.runs.configuration import SampleformerConfig
from sampleformer.integrations.huggingface.runs.modeling import (
    SampleformerForSequenceClassification,
    SampleformerModel,
)
from sampleformer.integrations.huggingface.runs.registration import register_runs
from sampleformer.integrations.huggingface.runs.tokenization import SampleformerTokenizer

__all__ = [
    "SampleformerConfig",
    "SampleformerForSequenceClassification",
    "SampleformerModel",
    "SampleformerTokenizer",
    "register_runs",
]
