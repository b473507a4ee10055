"""The model of a recipe, checked before the data is read and built when it has been."""

import logging
import sys

import numpy as np
import torch
from torch import Tensor

from sampleformer.data.source import Splits
from sampleformer.errors import InputError
from sampleformer.models import MODELS, AnyModelSettings, Model
from sampleformer.training.choice import check_choice
from sampleformer.training.random_state import WEIGHTS, seed_everything
from sampleformer.training.recipe import Recipe
from sampleformer.training.run_folder import RunFolder
from sampleformer.weights import build_fitting, limited_tensors

log = logging.getLogger("sampleformer")


def check_model(recipe: Recipe, device: str, most: int) -> None:
    """Finds what is wrong with the model's settings before the data is read, which may take minutes."""
    kind = MODELS.resolve(recipe.model.name, "model.name")
    if not kind.trained:
        known = ", ".join(sorted(name for name, model in MODELS.items() if model.trained))
        raise InputError(f"model.name: {kind.name!r} is not trained in steps, expected one of {known}; see also blend")
    inputs = kind.example_inputs(recipe.model)
    if inputs is None:
        return
    if recipe.descriptors:
        inputs = inputs | {"descriptors": [1]}
    for length in (1, sys.maxsize):  # whichever attention `auto` may stand for
        settings = kind.resolved(recipe.model, length, device)[0]
        with torch.device("meta"), limited_tensors(most, "model"):
            model = kind(settings, inputs, outputs=1)
        if settings == recipe.model:
            check_choice(recipe.training, model, _choosing(settings))


def make_model(recipe: Recipe, splits: Splits, folder: RunFolder, trained: dict[str, Tensor], device: str) -> Model:
    """The model of a recipe for its data, with new weights."""
    seed_everything(recipe.seed, WEIGHTS)
    kind = MODELS.resolve(recipe.model.name, "model.name")
    settings, reason = kind.resolved(recipe.model, int(np.median(splits.train.sizes)), device)
    if reason:
        log.info("%s", reason)
    encoding, task = splits.encoding, splits.encoding.task

    def make() -> Model:
        return kind(settings, encoding.model_inputs, task.outputs, level=task.level, hides=task.from_inputs)

    model = build_fitting(make, trained, folder.last_checkpoint, folder.config) if trained else make()
    check_choice(recipe.training, model, _choosing(settings))
    return model


def _choosing(settings: AnyModelSettings) -> str:
    """Name of the part of a model that may choose tokens."""
    return str(getattr(settings, "attention", settings).name)
