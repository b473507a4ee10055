"""The classes in transformers' automatic ones."""

from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from sampleformer.integrations.huggingface.runs.configuration import SampleformerConfig
from sampleformer.integrations.huggingface.runs.modeling import (
    SampleformerForSequenceClassification,
    SampleformerModel,
)
from sampleformer.integrations.huggingface.runs.tokenization import SampleformerTokenizer


def register_runs() -> None:
    """Makes the model type ``sampleformer`` known to `AutoConfig`, `AutoModel…`, `AutoTokenizer` and pipelines."""
    AutoConfig.register(SampleformerConfig.model_type, SampleformerConfig, exist_ok=True)
    AutoModel.register(SampleformerConfig, SampleformerModel, exist_ok=True)
    AutoModelForSequenceClassification.register(
        SampleformerConfig, SampleformerForSequenceClassification, exist_ok=True
    )
    AutoTokenizer.register(SampleformerConfig, tokenizer_class=SampleformerTokenizer, exist_ok=True)
