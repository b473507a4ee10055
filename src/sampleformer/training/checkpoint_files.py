"""The checkpoints in a run folder when a training goes on: which are whole, and which it goes on from."""

from __future__ import annotations

import csv
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from sampleformer.errors import InputError
from sampleformer.files import written_whole
from sampleformer.reading import reading
from sampleformer.training.run_folder import RunFolder, model_weights, read_checkpoint

log = logging.getLogger("sampleformer")

CALLBACK = "Checkpoints"
"""Under which a checkpoint holds the state of `callbacks.checkpoints.Checkpoints`."""


@dataclass(frozen=True)
class _Whole:
    """A checkpoint that can be read.

    Args:
        path: Path of the file.
        step: Step after which it was written.
        best_step: Step of the weights that were best by then.
        weights: Weights of the model.
    """

    path: Path
    step: int
    best_step: int
    weights: dict[str, Tensor]


def restore_checkpoints(folder: RunFolder) -> dict[str, Tensor]:
    """Makes ``last.ckpt`` the newest whole checkpoint and ``best.ckpt`` the one that it calls the best.

    Args:
        folder: Run folder of a training that goes on.

    Returns:
        The weights of the last checkpoint; none if the training was stopped before its first check.

    Raises:
        InputError: if no checkpoint is whole, the weights that were best are lost, or checkpoints were there and are
            gone.
    """
    several = (folder.last_checkpoint, folder.previous_checkpoint, folder.best_checkpoint)
    whole, damaged = [], []
    for path in several:
        if path.exists() or path.is_symlink():
            try:
                whole.append(_read(path))
            except InputError as error:
                damaged.append(str(error))
    if not whole:
        if damaged:
            raise InputError(f"{damaged[0]}; no other checkpoint is whole, so train anew with another --output")
        _check_never_written(folder)
        log.warning("%s: no checkpoint was written yet, the training starts from step 0", folder.checkpoints)
        return {}
    newest = max(whole, key=lambda each: each.step)  # of equal ones the first, the last checkpoint itself
    if not folder.last_checkpoint.exists():
        damaged.append(f"{folder.last_checkpoint}: no such file")
    for problem in damaged:
        log.warning("%s; going on from step %d in %s", problem, newest.step, newest.path.name)
    best = next((each for each in whole[::-1] if each.step == newest.best_step), None)
    if best is None:
        raise InputError(
            f"{folder.best_checkpoint}: missing or damaged, and no other checkpoint holds the weights of step "
            f"{newest.best_step}, which were best; train anew with another --output"
        )
    for kept, place in ((best, folder.best_checkpoint), (newest, folder.last_checkpoint)):
        if kept.path != place:
            with written_whole(place) as part:
                shutil.copyfile(kept.path, part)
    return newest.weights


def _read(path: Path) -> _Whole:
    checkpoint: dict[str, Any] = read_checkpoint(path)
    with reading(path, "a checkpoint"):
        state = checkpoint["callbacks"][CALLBACK]
        return _Whole(path, int(checkpoint["global_step"]), int(state["best_step"]), model_weights(checkpoint))


def _check_never_written(folder: RunFolder) -> None:
    """Raises InputError if the metrics know of a check after the first, which ended with a checkpoint."""
    if not folder.metrics.exists():
        return
    with reading(folder.metrics, "the metrics of a run"), folder.metrics.open(encoding="utf-8", newline="") as file:
        checks = [row["step"] for row in csv.DictReader(file) if row.get("valid_loss")]
    if len(checks) > 1:
        raise InputError(
            f"{folder.last_checkpoint}: no such file, but {folder.metrics} knows of step {checks[-1]}; put the "
            "checkpoints back, or train anew with another --output"
        )
