"""What is known of the training of a model, as its configuration keeps it and its card says it."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from sampleformer.reading import reading
from sampleformer.settings import Settings

if TYPE_CHECKING:
    from sampleformer.training.run_folder import RunFolder


class About(Settings):
    """A finished run in plain values.

    Args:
        name: Name of the recipe.
        description: Description of the recipe, one line.
        source: Paper or data set that the recipe follows.
        seed: Seed of the training.
        data: Settings of the data; of paths the names of files alone.
        training: Settings of the training that are not the defaults.
        samples: Number of samples of each part.
        selected_by: Metric that chose the weights.
        majority_share: Accuracy of always naming the most frequent class. None: there are no classes.
        scores: Scores of each part by metric, "valid" and "test"; None: not defined.
        train_seconds: Time of the training in seconds. None: not known.
        versions: Versions of packages.
        weights: SHA-256 of the weights that were scored, see `digest`.
    """

    name: str
    description: str = ""
    source: str = ""
    seed: int = 0
    data: dict[str, Any]
    training: dict[str, Any]
    samples: dict[str, int]
    selected_by: str
    majority_share: float | None = None
    scores: dict[str, dict[str, float | None]]
    train_seconds: float | None = None
    versions: dict[str, str]
    weights: str


def about_run(folder: RunFolder, weights: str) -> About:
    """What is known of a finished run.

    Args:
        folder: Its folder.
        weights: SHA-256 of the weights of the model that was made of it, see `digest`.

    Raises:
        InputError: if its files are not those of a finished run.
    """
    recipe, run, results = folder.read_recipe(), folder.read_run(), folder.read_results()
    with reading(folder.results, "the scores of a finished run"):
        if results is None:
            raise ValueError("the training is not finished")
        return About(
            name=recipe.name,
            description=recipe.description,
            source=recipe.source,
            seed=recipe.seed,
            data={name: _without_folder(value) for name, value in recipe.data.model_dump(mode="json").items()},
            training=recipe.training.model_dump(mode="json", exclude_defaults=True),
            samples=results["samples"],
            selected_by=results["selected_by"],
            majority_share=results["majority_share"],
            scores={part: results["best"][part] for part in ("valid", "test")},
            train_seconds=results["train_seconds"],
            versions=run["versions"],
            weights=weights,
        )


def _without_folder(value: Any) -> Any:
    return os.path.basename(value) if isinstance(value, str) and os.sep in value else value


def digest(model: nn.Module) -> str:
    """SHA-256 of a model's weights, their names, shapes and dtypes among them.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> before = digest(layer)
        >>> nn.init.zeros_(layer.bias).sum().item(), digest(layer) == before
        (0.0, False)
    """
    found = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
