"""Readers of recipes, run folders and models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file

from sampleformer.data import TextTable
from sampleformer.data.encoding import Encoding
from sampleformer.integrations.huggingface import YosoBert, YosoBertConfig
from sampleformer.models import TokenModel
from sampleformer.recipes import library
from sampleformer.training.run_folder import RunFolder, read_checkpoint
from tests.faults.reader import reader
from tests.training.small import text_recipe, write_texts


def _run(folder: Path) -> None:
    splits = TextTable(write_texts(folder / "texts.csv"), "review", "sentiment").load()
    recipe = text_recipe(folder / "texts.csv")
    run = RunFolder(folder / "run")
    run.create(recipe, {"command": ["sampleformer"], "resumed": [], "seed": 0})
    model = TokenModel(
        recipe.model, splits.encoding.model_inputs, splits.encoding.task.outputs, level=splits.encoding.task.level
    )
    model.save_pretrained(run.model)
    splits.encoding.save(run.encoding)
    torch.save({"state_dict": model.state_dict(), "step": 3, "loops": {"a": [1.5, None]}}, run.last_checkpoint)


def _recipe(folder: Path) -> None:
    (folder / "r.yaml").write_text(yaml.safe_dump(text_recipe(folder / "texts.csv").model_dump()))


@reader("recipe .yaml", "r.yaml", _recipe)
def _(folder: Path, on_error: str) -> Any:
    return library.load(folder / "r.yaml", ["training.steps=3"])


@reader("run: config.yaml", "run/config.yaml", _run)
def _(folder: Path, on_error: str) -> Any:
    return RunFolder(folder / "run").read_recipe()


@reader("run: run.json", "run/run.json", _run)
def _(folder: Path, on_error: str) -> Any:
    return RunFolder(folder / "run").read_run()


@reader("run: last.ckpt", "run/checkpoints/last.ckpt", _run)
def _(folder: Path, on_error: str) -> Any:
    return read_checkpoint(folder / "run" / "checkpoints" / "last.ckpt")


@reader("model: encoding.json", "run/model/encoding.json", _run)
def _(folder: Path, on_error: str) -> Any:
    return Encoding.load(folder / "run" / "model" / "encoding.json")


for _file in ("config.json", "model.safetensors"):

    @reader(f"model: {_file}", f"run/model/{_file}", _run)
    def _(folder: Path, on_error: str) -> Any:
        return TokenModel.from_pretrained(folder / "run" / "model")


def _yoso(folder: Path) -> None:
    sizes = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 8, "max_position_embeddings": 16}
    model = YosoBert(YosoBertConfig(**sizes))
    model.save_huggingface(folder)


def _old_yoso(folder: Path) -> None:
    _yoso(folder)
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()


for _file in ("config.json", "model.safetensors"):

    @reader(f"hugging face: {_file}", _file, _yoso)
    def _(folder: Path, on_error: str) -> Any:
        return YosoBert.from_huggingface(folder)


@reader("hugging face: pytorch_model.bin", "pytorch_model.bin", _old_yoso)
def _(folder: Path, on_error: str) -> Any:
    return YosoBert.from_huggingface(folder)
