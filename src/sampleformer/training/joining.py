"""Several finished runs as one, whose model is a weighted sum of theirs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sampleformer.data.encoding import Encoding
from sampleformer.data.progress import announced
from sampleformer.data.source import Splits
from sampleformer.errors import InputError
from sampleformer.files import write_json
from sampleformer.models import Blend, Model
from sampleformer.reading import reading
from sampleformer.registry import trusted_code
from sampleformer.tasks import Predictions, task_to_json
from sampleformer.training.blending import Blending, BlendPart, check_blend, fit_parts
from sampleformer.training.data_record import DataRecord, load_again
from sampleformer.training.devices import pick_device
from sampleformer.training.finishing import facts_of, save
from sampleformer.training.predictions import predictions_of
from sampleformer.training.processes import ALONE
from sampleformer.training.provenance import describe_run, now
from sampleformer.training.recipe import Recipe, change
from sampleformer.training.run_folder import RunFolder

MOST_MODELS = 10
"""Trained models of a blend at most; fitted ones come to these."""
CHANGED = ("blend", "training.selected_by", "training.max_tokens")
"""Settings that may be others than in the first run."""


def blend(
    runs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    changes: Sequence[str] = (),
    device: str = "cpu",
    command: Sequence[str] | None = None,
    finished: Callable[[RunFolder, Splits, Predictions], object] | None = None,
    trust_code: bool = False,
) -> RunFolder:
    """Makes one run of finished ones, without a further step.

    Its outputs are those of the runs' trained models, and of the models of the first run's `blend`, which are fitted
    anew, each times a factor that the validation part decides, see `training.blending.factors_of`. All runs must have
    seen the same samples in the same parts; they may differ in all else: seed, model, settings.

    Args:
        runs: Folders of finished runs. The first one's recipe, curves and explanations become those of the new run.
        output: Folder of the new run.
        changes: ``name=value`` each, of `CHANGED`: ``blend=[]``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        command: The program and its arguments, for ``run.json``. None: those of this process.
        finished: Called at the end with the run folder, the data, and the predictions for the test part.
        trust_code: Whether the folders may name classes outside this package.

    Returns:
        The new run's folder.

    Raises:
        InputError: if a run is not finished, the runs are of different data or tasks, or the output exists.

    Source: Lakshminarayanan, Pritzel and Blundell 2017, Simple and scalable predictive uncertainty estimation using
    deep ensembles, section 2.4 (there all members weigh the same).
    """
    folder, device = RunFolder(output), pick_device(device)
    folder.check_free()
    started = now()
    with trusted_code(trust_code):
        members = _members(runs, trust_code=trust_code)
        first = members[0]
        recipe = _changed(first.recipe, changes)
        check_blend(recipe.blend, sum(len(each.models) for each in members))
        with announced("reading the data"):
            splits = load_again(first.folder, first.recipe)
        parts = list(_said(members, splits, recipe.training.max_tokens, device))
        blending = Blending.of([*parts, *fit_parts(recipe, splits, ALONE)], splits, recipe)
    run = describe_run(list(command or sys.argv), recipe.seed, device) | {
        "data": first.record.moved(first.recipe, first.folder, folder).model_dump(),
        "blended": [os.path.abspath(each.folder.path) for each in members],
        "train_seconds": round(sum(each.seconds for each in members), 3),
        "started": started,
        "finished": now(),
    }
    folder.create(recipe, run, first.learnt)
    shutil.copyfile(first.folder.metrics, folder.metrics)
    predictions = predictions_of(splits.test, blending.test, splits.encoding.task)
    save(folder, blending.model, blending.model.state_dict(), splits.encoding, predictions)
    scored = {
        "step": first.step,
        "valid": blending.scores,
        "test": splits.encoding.task.score(predictions),
    }
    results = facts_of(splits, recipe) | {
        "parameters": sum(weights.numel() for each in parts for weights in each.model.parameters()),
        "train_seconds": run["train_seconds"],
        "best": scored,
        "last": scored,
        "parts": blending.parts,
    }
    write_json(folder.results, results)  # last: where it is, the run is complete
    if finished is not None:
        finished(folder, splits, predictions)
    return folder


def _said(members: Sequence[Member], splits: Splits, most: int, device: str) -> Iterator[BlendPart]:
    """The trained models with their outputs."""
    for member in members:
        for model in member.models:
            with announced(f"asking {member.folder.path}"):
                yield BlendPart.of(f"{model.name} of {member.folder.path.name}", model.to(device), splits, most, ALONE)


@dataclass(frozen=True)
class Member:
    """A finished run.

    Args:
        folder: Its folder.
        recipe: Its recipe.
        models: Its trained model; of a run that was blended of several, all of theirs.
        encoding: Encoding of its data.
        record: What it remembers of its data.
        learnt: Encoding of the run that it started from. None: it started from nothing.
        step: The step whose weights it kept.
        seconds: Time of its training.
    """

    folder: RunFolder
    recipe: Recipe
    models: tuple[Model, ...]
    encoding: Encoding
    record: DataRecord
    learnt: Encoding | None
    step: int
    seconds: float

    @classmethod
    def of(cls, path: str | os.PathLike[str], *, trust_code: bool) -> Member:
        """Reads a run folder.

        Raises:
            InputError: if it is no finished run.
        """
        folder = RunFolder(path)
        recipe = folder.read_recipe(trust_code=trust_code)
        results = folder.read_results()
        if results is None:
            raise InputError(f"{folder.path}: the training is not finished, expected finished runs")
        with reading(folder.results, "the scores of a run"):
            step, seconds = int(results["best"]["step"]), float(results["train_seconds"])
        model, encoding = folder.read_trained(trust_code=trust_code)
        task = encoding.task
        if task.of_tokens or task.from_inputs:
            raise InputError(f"{folder.path}: its labels are not for samples, expected runs whose labels are")
        models = tuple(each for each in (model.models if isinstance(model, Blend) else [model]) if each.trained)
        learnt = None if recipe.training.init_from is None else folder.read_encoding(learnt=True, trust_code=trust_code)
        return cls(folder, recipe, models, encoding, DataRecord.read(folder), learnt, step, seconds)

    def check_like(self, first: Member) -> None:
        """Raises InputError if the first run had other samples in one of its parts, another task or other inputs."""
        own, other = self.encoding, first.encoding
        differences = {
            "samples, in some part,": (self.record.content, first.record.content),
            "labels to learn": (task_to_json(own.task), task_to_json(other.task)),
            "tokens or descriptors": (_learnt(own), _learnt(other)),
        }
        for what, (found, expected) in differences.items():
            if found != expected:
                where = f"{first.folder.path} has"
                raise InputError(f"{self.folder.path}: found other {what} than {where}, expected runs of the same data")


def _learnt(encoding: Encoding) -> list[Any]:
    """What was learnt of the rows' columns."""
    described = None if encoding.descriptors is None else encoding.descriptors.to_json()
    return [encoding.inputs.kind, encoding.inputs.to_json(), described]


def _members(runs: Sequence[str | os.PathLike[str]], *, trust_code: bool) -> list[Member]:
    """The runs, which are alike."""
    different = {os.path.realpath(each) for each in runs}
    if len(different) < len(runs):
        raise InputError(f"runs: found {', '.join(map(str, runs))}, expected each run once")
    members = [Member.of(each, trust_code=trust_code) for each in runs]
    count = sum(len(each.models) for each in members)
    if not 1 <= count <= MOST_MODELS:
        raise InputError(f"runs: found {count} models, expected 1 to {MOST_MODELS}")
    for each in members[1:]:
        each.check_like(members[0])
    return members


def _changed(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """The first run's recipe, with other settings of the blend."""
    for text in changes:
        if text.partition("=")[0] not in CHANGED:
            raise InputError(f"--set {text}: the models are trained; expected one of {', '.join(CHANGED)}")
    return change(recipe, changes)
