"""What a run leaves behind when its training has ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sampleformer.data.source import Splits
from sampleformer.errors import InputError
from sampleformer.models import Model
from sampleformer.tasks import Predictions, count_known
from sampleformer.training.blending import Blending
from sampleformer.training.evaluation import write_predictions
from sampleformer.training.outputs import known_targets, model_outputs
from sampleformer.training.predictions import predictions_of
from sampleformer.training.run_folder import kept_weights, read_checkpoint
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
    results: dict[str, Any] = {
        "task": task.name,
        "selected_by": selecting_metric(task, recipe.training.selected_by),
        "majority_share": task.majority_share(known_targets(test)),
        "judged": {"unit": splits.encoding.target_unit} | _judged(splits),
        "samples": {name: len(getattr(splits, name)) for name in ("train", "valid", "test")},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "train_seconds": round(trained.seconds, 3),
    }
    names = {trained.last_step: "last", trained.best_step: "best"}  # often the same, which is then tested once
    for step, name in names.items():
        _load_weights(model, folder.checkpoints / f"{name}.ckpt", step)
        outputs = model_outputs(model, test, task, recipe.training.max_tokens, f"testing the {name} weights", processes)
        blending = Blending.of(model, outputs, trained.valid[step], setup.fitted, splits, recipe, processes)
        predictions = predictions_of(test, blending.test, task)
        results[name] = {"step": step, "valid": blending.scores, "test": task.score(predictions)}
    results.setdefault("last", results["best"])
    results["parts"] = blending.parts
    weights = gathered(blending.model.state_dict(), processes)
    if not processes.is_first:
        return results, predictions
    blending.model.save_pretrained(folder.model, state_dict=weights)
    splits.encoding.save(folder.encoding)
    # Of a graph the test part may be some of the nodes; of a sample without a known target there is nothing else.
    shown = predictions if predictions.tokens is None else predictions.with_targets()
    write_predictions(folder.test_predictions, splits.encoding, [shown])
    return results, predictions


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
