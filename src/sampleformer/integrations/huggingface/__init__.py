"""Hugging Face's transformers: sampled attention in its models, and the weights and files of its YOSO.

Where transformers 5 or newer is installed, importing this package registers ``"samsa"``, ``"sft"`` and ``"yoso"`` as
values of its `attn_implementation`.
"""

from sampleformer.integrations.huggingface.attaching import attach, has_transformers, register
from sampleformer.integrations.huggingface.bert import YosoBert
from sampleformer.integrations.huggingface.config import YosoBertConfig

__all__ = ["YosoBert", "YosoBertConfig", "attach", "register"]

if has_transformers():
    register()
