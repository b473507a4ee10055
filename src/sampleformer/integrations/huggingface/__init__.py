"""Hugging Face's transformers: sampled attention in its models, runs as its models, and the files of its YOSO.

Where transformers 5 or newer is installed, importing this package registers ``"samsa"``, ``"sft"`` and ``"yoso"`` as
values of its `attn_implementation`, and the model type ``sampleformer`` with its automatic classes.
"""

import importlib
from typing import TYPE_CHECKING, Any

from sampleformer.extras import require
from sampleformer.integrations.huggingface.attaching import attach, has_transformers, register
from sampleformer.integrations.huggingface.bert import YosoBert
from sampleformer.integrations.huggingface.config import YosoBertConfig

if TYPE_CHECKING:
    from sampleformer.integrations.huggingface.runs import (
        SampleformerConfig,
        SampleformerForSequenceClassification,
        SampleformerModel,
        SampleformerTokenizer,
    )

__all__ = [
    "SampleformerConfig",
    "SampleformerForSequenceClassification",
    "SampleformerModel",
    "SampleformerTokenizer",
    "YosoBert",
    "YosoBertConfig",
    "attach",
    "register",
]


def __getattr__(name: str) -> Any:
    """Classes of runs, which derive from those of transformers."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require("transformers", "hf")
    return getattr(importlib.import_module(f"{__name__}.runs"), name)


if has_transformers():
    register()
    importlib.import_module(f"{__name__}.runs").register_runs()
