"""The YOSO of Hugging Face's transformers: its weights, its configuration, its files."""

from sampleformer.integrations.huggingface.bert import YosoBert
from sampleformer.integrations.huggingface.config import YosoBertConfig

__all__ = ["YosoBert", "YosoBertConfig"]
