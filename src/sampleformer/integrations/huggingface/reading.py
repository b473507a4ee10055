"""Reads a folder that transformers' ``save_pretrained`` wrote."""

import json
import logging
import pickle
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sampleformer.errors import NAMES_SHOWN, InputError
from sampleformer.integrations.huggingface.config import YosoBertConfig
from sampleformer.settings import validate

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
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file, expected the folder of a saved YosoModel") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a JSON file: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected a JSON object, got {values!r}")
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


def check_fit(path: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raises InputError if weights are missing, too many or of another shape than the configuration says.

    Args:
        path: of the file, for the message.
        found: what the file holds.
        expected: tensors of the right shapes.
    """
    config = path.with_name("config.json")
    if missing := expected.keys() - found.keys():
        raise InputError(f"{path}: does not fit {config}: weights are missing: {_listed(missing)}")
    if unknown := found.keys() - expected.keys():
        raise InputError(f"{path}: does not fit {config}: there is no place for {_listed(unknown)}")
    for name, tensor in found.items():
        shapes = tuple(tensor.shape), tuple(expected[name].shape)
        if shapes[0] != shapes[1]:
            raise InputError(f"{path}: does not fit {config}: {name} has shape {shapes[0]}, expected {shapes[1]}")
        if not tensor.is_floating_point():
            raise InputError(f"{path}: {name} has dtype {tensor.dtype}, expected floating-point numbers")


def _load(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights: Any = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise InputError(f"{path}: not a whole safetensors file ({error})") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, zipfile.BadZipFile, OSError, KeyError) as error:
        raise InputError(
            f"{path}: cannot be read as weights of PyTorch, cut short, damaged or of other things"
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise InputError(f"{path}: expected tensors by name")
    return weights


def _say_what_is_left_out(path: Path, heads: Iterable[str]) -> None:
    if listed := _listed(heads):
        log.warning("%s: left out, because they are of a task's head and not of the encoder: %s", path, listed)


def _listed(several: Iterable[str]) -> str:
    ordered = sorted(several)
    more = f", … ({len(ordered)} in all)" if len(ordered) > NAMES_SHOWN else ""
    return ", ".join(ordered[:NAMES_SHOWN]) + more
