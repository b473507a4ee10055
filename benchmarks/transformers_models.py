"""Which models of transformers can be built with a method of this package, and why others cannot.

python -m benchmarks.transformers_models -o docs/transformers-models.json

Each type of `AutoModel` is built without memory (on the meta device), as its configuration has it by default, but two
layers deep where that is easily said.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
import transformers
from transformers import AutoModel, PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_MAPPING

import sampleformer.integrations.huggingface  # noqa: F401  # registers the methods
from sampleformer.errors import InputError

DEPTHS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers")
REASONS = {
    "is causal": "causal",
    "adds biases to pairs": "biases of pairs",
    "does not go through": "attention of its own",
    "it has no attention": "no attention",
    "takes its attention from": "classes of its own",
    "would change nothing": "sliding windows alone",
    "are not known": "heads not known",
}
"""Words of a message, and the reason in short."""


def shallow(kind: type[PreTrainedConfig]) -> PreTrainedConfig:
    """A configuration with two layers, where they are not described one by one."""
    config = kind()
    for name in DEPTHS:
        if isinstance(getattr(config, name, None), int) and not hasattr(config, "layer_types"):
            setattr(config, name, 2)
    return config


def outcome(kind: type[PreTrainedConfig], method: str) -> str:
    """ "built", why it was refused, or why transformers itself cannot build it."""
    try:
        with torch.device("meta"):
            AutoModel.from_config(shallow(kind), attn_implementation=method)
    except InputError as error:
        words = str(error)
        return "refused: " + next((reason for part, reason in REASONS.items() if part in words), words)
    except Exception as error:  # transformers asks for other packages and settings in many ways
        return f"not tried: {type(error).__name__}: {str(error).strip().splitlines()[0]}"
    return "built"


def main(arguments: Sequence[str] | None = None) -> None:
    """Tries all of them."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.transformers_models", description=__doc__.splitlines()[0]
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="file for what was found, JSON")
    parser.add_argument("--method", default="samsa", help="samsa, sft or yoso (default: %(default)s)")
    asked = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    found = {kind.model_type: outcome(kind, asked.method) for kind in MODEL_MAPPING}
    content = {"transformers": transformers.__version__, "method": asked.method, "models": dict(sorted(found.items()))}
    asked.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
