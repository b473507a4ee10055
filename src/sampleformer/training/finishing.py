"""What a run leaves behind when its training has ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sampleformer.data.encoding import Encoding
from sampleformer.data.source import Splits
from sampleformer.errors import InputError
from sampleformer.models import Model
from sampleformer.tasks import Predictions, count_known
from sampleformer.training.blending import Blending, BlendPart
from sampleformer.training.evaluation import write_predictions
from sampleformer.training.outputs import known_targets, model_outputs
from sampleformer.training.predictions import predictions_of
from sampleformer.training.recipe import Recipe
from sampleformer.training.run_folder import RunFolder, kept_weights, read_checkpoint
from sampleformer.training.selection import selecting_metric
from sampleformer.training.shares import gathered, load_weights

if TYPE_CHECKING:
    from sampleformer.training.fitting import Fitted
    from sampleformer.training.session import Session
    from sampleformer.training.setup import Setup


def finish(setup: Setup, session: Session, trained: Fitted) -> tuple[dict[str, Any], Predictions]:
    """Saves the best weights, and scores both them and the last ones on the test part.

    Args:
        setup: Data and trained model.
        session: Folder and processes.
        trained: How the training went.

    Returns:
        What ``results.json`` holds, and the best weights' predictions for the test part.
    """
    recipe, splits, folder, processes = setup.recipe, setup.splits, session.folder, session.processes
    model = setup.model.to(session.device)
    task, test = splits.encoding.task, splits.test
    results = facts_of(splits, recipe) | {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "train_seconds": round(trained.seconds, 3),
    }
    most = recipe.training.max_tokens
    names = {trained.last_step: "last", trained.best_step: "best"}  # often the same, which is then tested once
    for step, name in names.items():
        _load_weights(model, folder.checkpoints / f"{name}.ckpt", step)
        outputs = model_outputs(model, test, task, most, f"testing the {name} weights", processes)
        blending = Blending(model, outputs, trained.valid[step], [])
        if setup.fitted:
            own = BlendPart.of(model.name, model, splits, most, processes, test=outputs)
            blending = Blending.of([own, *setup.fitted], splits, recipe)
        predictions = predictions_of(test, blending.test, task)
        results[name] = {"step": step, "valid": blending.scores, "test": task.score(predictions)}
    results.setdefault("last", results["best"])
    results["parts"] = blending.parts
    weights = gathered(blending.model.state_dict(), processes)
    if processes.is_first:
        save(folder, blending.model, weights, splits.encoding, predictions)
    return results, predictions


def facts_of(splits: Splits, recipe: Recipe) -> dict[str, Any]:
    """What results say of the data and of how weights are picked."""
    task = splits.encoding.task
    return {
        "task": task.name,
        "selected_by": selecting_metric(task, recipe.training.selected_by),
        "majority_share": task.majority_share(known_targets(splits.test)),
        "valid_majority_share": task.majority_share(known_targets(splits.valid)),
        "judged": {"unit": splits.encoding.target_unit} | _judged(splits),
        "samples": {name: len(getattr(splits, name)) for name in ("train", "valid", "test")},
    }


def save(
    folder: RunFolder, model: Model, weights: dict[str, Tensor], encoding: Encoding, predictions: Predictions
) -> None:
    """Writes a model, what turns rows into its tokens, and its predictions for the test part.

    Args:
        folder: Run folder.
        model: The model.
        weights: Its weights, whole.
        encoding: Encoding of the data.
        predictions: Predictions for the test part.
    """
    model.save_pretrained(folder.model, state_dict=weights)
    encoding.save(folder.encoding)
    # Of a graph the test part may be some of the nodes; of a sample without a known target there is nothing else.
    shown = predictions if predictions.tokens is None else predictions.with_targets()
    write_predictions(folder.test_predictions, encoding, [shown])


def _judged(splits: Splits) -> dict[str, int | None]:
    """Number of targets of each part; None where those of the training part are drawn anew at each pass."""
    drawn = splits.train.draws_targets
    known = {name: count_known(known_targets(getattr(splits, name))) for name in ("valid", "test")}
    return {"train": None if drawn else count_known(known_targets(splits.train))} | known


def _load_weights(model: Model, path: Path, step: int) -> None:
    checkpoint = read_checkpoint(path)
    if checkpoint.get("global_step") != step:
        raise InputError(f"{path}: found the weights of step {checkpoint.get('global_step')}, expected those of {step}")
    load_weights(model, kept_weights(checkpoint))
