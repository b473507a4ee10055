"""The folder that holds everything about one training."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from sampleformer.data.encoding import Encoding
from sampleformer.documents import read_json, read_yaml
from sampleformer.errors import InputError, listed, shown
from sampleformer.extras import require
from sampleformer.files import write_json, write_text
from sampleformer.models import Model
from sampleformer.output_paths import check_new_folder
from sampleformer.registry import trusted_code
from sampleformer.settings import validate
from sampleformer.training.recipe import Recipe
from sampleformer.weights import load_pickled

log = logging.getLogger("sampleformer")


class RunFolder:
    """Paths of a run and what they hold.

    ``config.yaml`` is the recipe with every setting resolved; ``run.json`` the command, versions, machine and times;
    ``learnt.json`` the encoding of the run from which this one started, if it did; ``metrics.csv`` the curves;
    ``checkpoints/`` what a training goes on from; ``model/`` the weights that were best on the validation part, with
    what turns rows into tokens; ``results.json`` the scores on the test part; ``test_predictions.csv`` its predictions;
    ``report.html`` all of it to look at.

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
        self.previous_checkpoint = self.checkpoints / "previous.ckpt"
        self.model = self.path / "model"
        self.encoding = self.model / "encoding.json"
        self.learnt = self.path / "learnt.json"
        self.results = self.path / "results.json"
        self.test_predictions = self.path / "test_predictions.csv"
        self.report = self.path / "report.html"

    def check_free(self) -> None:
        """Raises InputError if something is in the way of a new run."""
        if self.path.exists() or self.path.is_symlink():
            resumed = ", or --resume to go on with the training in it" if self.run_file.is_file() else ""
            raise InputError(f"{self.path}: exists already and is never overwritten; give another --output{resumed}")
        check_new_folder(self.path)

    def checked(self) -> RunFolder:
        """The folder itself; raises InputError if it is not that of a run."""
        if not self.path.exists():
            there = sorted(each.parent.name for each in self.path.parent.glob("*/run.json"))
            beside = f"; runs beside it: {listed(there)}" if there else ""
            raise InputError(f"{self.path}: no such folder, expected that of a run{beside}")
        if not self.config.is_file() or not self.run_file.is_file():
            raise InputError(f"{self.path}: not a run folder, expected config.yaml and run.json in it")
        own = self.path.resolve()
        for path in self.path.rglob("*"):
            if path.is_symlink() and not path.resolve().is_relative_to(own):  # writing would follow it
                raise InputError(f"{path}: a link that leads out of the run folder, expected a file or folder in it")
        return self

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Context in which no other process trains into the folder; it ends with the process, however that ends.

        Raises:
            InputError: if another process does.
        """
        filelock = require("filelock", "train")
        lock = filelock.FileLock(self.path / ".lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            raise InputError(f"{self.path}: another process is training in it; wait until it has ended") from error
        except NotImplementedError:
            log.warning("%s: its file system has no locks; do not train in it twice at once", self.path)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror})") from error
        try:
            yield
        finally:
            lock.release()

    def create(self, recipe: Recipe, run: dict[str, Any], learnt: Encoding | None = None) -> None:
        """Makes the folder with the recipe, the description of the run, and what it takes over from another run."""
        self.check_free()
        self.checkpoints.mkdir(parents=True)
        write_text(self.config, yaml.dump(recipe.model_dump(), Dumper=_Dumper, sort_keys=False, allow_unicode=True))
        if learnt is not None:
            learnt.save(self.learnt)
        write_json(self.run_file, run)  # last: where it is, there is a run

    def read_recipe(self, *, trust_code: bool = False) -> Recipe:
        """The recipe that the run was started with.

        Args:
            trust_code: Whether its model may be a class outside this package, which is then imported.
        """
        self.checked()
        with trusted_code(trust_code):
            return validate(Recipe, read_yaml(self.config, "the settings of a run"), str(self.config))

    def read_run(self) -> dict[str, Any]:
        """The description of the run."""
        return read_json(self.run_file, "the description of a run")

    def read_results(self) -> dict[str, Any] | None:
        """The scores on the test part; None while the training is not finished."""
        return read_json(self.results, "the scores of a run") if self.results.exists() else None

    def read_model(self, *, trust_code: bool = False) -> Model:
        """The model that was best on the validation part, in evaluation mode.

        Args:
            trust_code: Whether classes outside this package may be imported, see `TokenModel.from_pretrained`.
        """
        self.checked()
        if not self.model.exists():
            raise InputError(f"{self.model}: no such folder; the training is not finished, go on with --resume")
        return Model.from_pretrained(self.model, trust_code=trust_code)

    def read_encoding(self, *, trust_code: bool = False, learnt: bool = False) -> Encoding:
        """What turns rows into tokens and outputs into rows.

        Args:
            trust_code: Whether the task may be a class outside this package.
            learnt: Whether that of the run from which this one started is meant.
        """
        with trusted_code(trust_code):
            return Encoding.load(self.learnt if learnt else self.encoding)

    def read_trained(self, *, trust_code: bool = False) -> tuple[Model, Encoding]:
        """The model and its encoding, which fit together.

        Args:
            trust_code: As for `read_model`.

        Raises:
            InputError: if the encoding is for a model of other inputs or outputs.
        """
        model, encoding = self.read_model(trust_code=trust_code), self.read_encoding(trust_code=trust_code)
        fitting = {
            "inputs": (encoding.model_inputs, model.inputs),
            "outputs": (encoding.task.outputs, model.outputs),
            "level": (encoding.task.level, model.level),
        }
        for name, (found, expected) in fitting.items():
            if found != expected:
                raise InputError(
                    f"{self.encoding}: does not fit {self.model / 'config.json'}: {name} are {shown(found)}, "
                    f"expected {shown(expected)}"
                )
        return model, encoding


class _Dumper(yaml.SafeDumper):
    """A dumper that writes equal values out in full: what is read back has no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's content, on the CPU.

    Raises:
        InputError: if it is missing or damaged, or holds anything else than a checkpoint.
    """
    checkpoint = load_pickled(path, "a checkpoint")
    weights = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise InputError(f"{path}: cannot be read as a checkpoint: found {shown(checkpoint)}")
    return checkpoint


def model_weights(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The weights in a checkpoint, under the names that the model has for them."""
    return _part(checkpoint, "model.")


def kept_weights(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The weights in a checkpoint that are tested and kept: the average of those of all steps where there is one."""
    return _part(checkpoint, "average.") or model_weights(checkpoint)


def _part(checkpoint: dict[str, Any], prefix: str) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = checkpoint["state_dict"]
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
