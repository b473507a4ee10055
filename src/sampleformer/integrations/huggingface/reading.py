"""Reads a folder that transformers' ``save_pretrained`` wrote."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from sampleformer.documents import read_json
from sampleformer.errors import InputError
from sampleformer.integrations.huggingface.config import YosoBertConfig
from sampleformer.settings import validate
from sampleformer.weights import listed, load_pickled, load_weights, read_header

log = logging.getLogger("sampleformer")

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
PREFIX = "yoso."
# Constants that older releases of transformers saved beside the weights.
_CONSTANTS = {"embeddings.position_ids", "embeddings.token_type_ids"}


def read_config(path: Path) -> YosoBertConfig:
    """The configuration in a file.

    Raises:
        InputError: if the file is missing or no JSON object, or says what cannot be built here.
    """
    values = read_json(path, "the settings of a saved YosoModel")
    if "model_type" not in values:
        raise InputError(f"{path}: model_type: required, but not given; expected 'yoso'")
    return validate(YosoBertConfig, values, str(path))


def read_weights(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    """The file with the weights of the encoder, and what it holds under the names of a bare ``YosoModel``.

    Weights of a task's head are left out; the log says which.

    Raises:
        InputError: if there is no such file, or it is damaged.
    """
    path = next((folder / name for name in WEIGHTS if (folder / name).exists()), None)
    if path is None:
        raise InputError(f"{folder}: no {' and no '.join(WEIGHTS)}, expected one of them")
    weights = _load(path)
    if any(name.startswith(PREFIX) for name in weights):
        _say_what_is_left_out(path, (name for name in weights if not name.startswith(PREFIX)))
        weights = {name.removeprefix(PREFIX): tensor for name, tensor in weights.items() if name.startswith(PREFIX)}
    return path, {name: tensor for name, tensor in weights.items() if name not in _CONSTANTS}


def _load(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        read_header(path)
        return load_weights(path)
    weights: Any = load_pickled(path, "weights of PyTorch")
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise InputError(f"{path}: expected tensors by name")
    return weights


def _say_what_is_left_out(path: Path, heads: Iterable[str]) -> None:
    if left_out := listed(heads):
        log.warning("%s: left out, because they are of a task's head and not of the encoder: %s", path, left_out)
