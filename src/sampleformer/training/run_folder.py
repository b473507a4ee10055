"""The folder that holds everything about one training."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
import yaml

from sampleformer.data.encoding import Encoding
from sampleformer.errors import InputError
from sampleformer.files import check_new_folder, write_json, write_text
from sampleformer.model import TokenModel
from sampleformer.settings import validate
from sampleformer.training.recipe import Recipe


class RunFolder:
    """Paths of a run and what they hold.

    ``config.yaml`` is the recipe with every setting resolved; ``run.json`` the command, versions, machine and times;
    ``metrics.csv`` the curves; ``checkpoints/`` what a training goes on from; ``model/`` the weights that were best on
    the validation part, with what turns rows into tokens; ``results.json`` the scores on the test part;
    ``test_predictions.csv`` its predictions; ``report.html`` all of it to look at.

    Args:
        path: of the folder, which need not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.run_file = self.path / "run.json"
        self.metrics = self.path / "metrics.csv"
        self.checkpoints = self.path / "checkpoints"
        self.last_checkpoint = self.checkpoints / "last.ckpt"
        self.best_checkpoint = self.checkpoints / "best.ckpt"
        self.model = self.path / "model"
        self.encoding = self.model / "encoding.json"
        self.results = self.path / "results.json"
        self.test_predictions = self.path / "test_predictions.csv"
        self.report = self.path / "report.html"

    def check_free(self) -> None:
        """Raises InputError if something is in the way of a new run."""
        if self.path.exists() or self.path.is_symlink():
            raise InputError(
                f"{self.path}: exists already and is never overwritten; give another --output, or --resume to go on "
                "with the training in it"
            )
        check_new_folder(self.path)

    def checked(self) -> RunFolder:
        """The folder itself; raises InputError if it is not that of a run."""
        if not self.config.is_file() or not self.run_file.is_file():
            raise InputError(f"{self.path}: not a run folder, expected config.yaml and run.json in it")
        return self

    def create(self, recipe: Recipe, run: dict[str, Any]) -> None:
        """Makes the folder with the recipe and the description of the run."""
        self.check_free()
        self.checkpoints.mkdir(parents=True)
        write_text(self.config, yaml.safe_dump(recipe.model_dump(), sort_keys=False, allow_unicode=True))
        write_json(self.run_file, run)

    def read_recipe(self) -> Recipe:
        """The recipe that the run was started with."""
        self.checked()
        try:
            values = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{self.config}: not a YAML file") from error
        if not isinstance(values, dict):
            raise InputError(f"{self.config}: expected settings, found {values!r}")
        return validate(Recipe, values, str(self.config))

    def read_run(self) -> dict[str, Any]:
        """The description of the run."""
        return _read_json(self.run_file)

    def read_results(self) -> dict[str, Any] | None:
        """The scores on the test part; None while the training is not finished."""
        return _read_json(self.results) if self.results.exists() else None

    def read_model(self) -> TokenModel:
        """The model that was best on the validation part, in evaluation mode."""
        self.checked()
        if not self.model.exists():
            raise InputError(f"{self.model}: no such folder; the training is not finished, go on with --resume")
        return TokenModel.from_pretrained(self.model)

    def read_encoding(self) -> Encoding:
        """What turns rows into tokens and outputs into rows."""
        return Encoding.load(self.encoding)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's content, on the CPU.

    Raises:
        InputError: if it is missing or damaged.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file, expected a checkpoint") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, zipfile.BadZipFile, OSError, KeyError) as error:
        size = path.stat().st_size
        raise InputError(
            f"{path}: cannot be read as a checkpoint ({size} bytes, cut short or damaged); train anew with another "
            "--output"
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a JSON file: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected a JSON object")
    return values
