"""What a trained model says about data."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from sampleformer.allocator import return_freed_memory
from sampleformer.data.encoding import Encoding
from sampleformer.data.progress import announced, progress_bar
from sampleformer.data.samples import Samples
from sampleformer.errors import InputError
from sampleformer.files import write_csv
from sampleformer.output_paths import check_output
from sampleformer.registry import trusted_code
from sampleformer.tables.format import TableFormat
from sampleformer.tasks import Predictions, count_known
from sampleformer.training.data_record import load_again
from sampleformer.training.devices import pick_device
from sampleformer.training.memory import resident_bytes
from sampleformer.training.outputs import checked_targets, model_outputs
from sampleformer.training.predictions import prediction_columns, predictions_of
from sampleformer.training.recipe import Recipe, change
from sampleformer.training.run_folder import RunFolder

log = logging.getLogger("sampleformer")

ROWS_AT_ONCE = 1024
"""Rows of a table that are read, answered and written at once."""
_HOLES = 1 << 26
"""Bytes by which memory may grow beyond that of the first rows before what was freed is given back."""


def evaluate(
    folder: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    changes: Sequence[str] = (),
    device: str = "cpu",
    on_error: str = "stop",
    format: TableFormat | None = None,
    trust_code: bool = False,
) -> dict[str, Any]:
    """Scores a run's model.

    Args:
        folder: of the run.
        path: a file with the columns of the training data. None: the test part of the run's own data.
        changes: ``data.name=value`` each, such as ``data.evaluation_rotation=so3``: how the samples of the test part
            are seen, if not as in the run (`Inputs.view_settings`).
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        on_error: ``stop`` at a wrong row, or ``skip`` and count it.
        format: how the file is written, where it is another way than the training data.
        trust_code: Whether the run folder may name classes outside this package, see `TokenModel.from_pretrained`.

    Returns:
        task, samples (their number), unit and judged (what has a target, and how many of them), scores, and for
        classification majority_share.

    Raises:
        InputError: if the folder or the file cannot be used, or a setting cannot be changed any more.
    """
    if path is not None and changes:
        raise InputError(f"--set {changes[0]}: changes the run's own data; expected no file beside it, got {path}")
    run = RunFolder(folder)
    recipe, device = run.read_recipe(trust_code=trust_code), pick_device(device)
    model, encoding = run.read_trained(trust_code=trust_code)
    model.to(device)
    if path is None:
        with announced("reading the data"), trusted_code(trust_code):
            pieces = iter([_test_part(run, recipe, encoding, changes)])
    else:
        trained = recipe.data.model_dump().get("path")  # data of several files have none
        if trained and Path(path).resolve() == Path(trained).resolve():
            log.warning(
                "%s: the file of the training, most of whose rows were learnt from; without it the test part is scored",
                path,
            )
        pieces = encoding.read_pieces(path, targets=True, on_error=on_error, format=format, rows=ROWS_AT_ONCE)
    count, targets, found = 0, [], []
    for samples, predictions in _predicted(model, encoding, pieces, recipe.training.max_tokens, "evaluating"):
        count += len(samples)
        if (found_targets := samples.targets) is not None:
            targets.append(found_targets)
        found.append(predictions)
    known = checked_targets(np.concatenate(targets) if targets else None)
    return {
        "task": encoding.task.name,
        "samples": count,
        "unit": encoding.target_unit,
        "judged": count_known(known),
        "scores": encoding.task.score(Predictions.joined(found)),
        "majority_share": encoding.task.majority_share(known),
    }


def _predicted(
    model: nn.Module, encoding: Encoding, pieces: Iterator[Samples], max_tokens: int, description: str
) -> Iterator[tuple[Samples, Predictions]]:
    """Samples and the model's predictions for them, piece by piece."""
    done, most = 0, 0
    with announced("reading the data"):
        first = next(pieces)
    with progress_bar(description, None) as show:
        for samples in chain([first], pieces):
            outputs = model_outputs(model, samples, encoding.task, max_tokens, partial(_add, show, done))
            yield samples, predictions_of(samples, outputs, encoding.task)
            done += len(samples)
            most = most or resident_bytes() + _HOLES
            if resident_bytes() > most:  # chunks of many shapes leave holes between what is in use
                return_freed_memory()


def _add(show: Callable[[int], None], before: int, done: int) -> None:
    show(before + done)


def _test_part(run: RunFolder, recipe: Recipe, encoding: Encoding, changes: Sequence[str]) -> Samples:
    allowed = [f"data.{name}" for name in sorted(encoding.view_settings)]
    for text in changes:
        if text.partition("=")[0] not in allowed:
            known = f"expected one of {', '.join(allowed)}" if allowed else "no setting of such data can be changed"
            raise InputError(f"--set {text}: the model is trained and its test part chosen; {known}")
    return load_again(run, change(recipe, changes), other_view=bool(changes)).test


def predict(
    folder: str | os.PathLike[str],
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    device: str = "cpu",
    on_error: str = "stop",
    format: TableFormat | None = None,
    force: bool = False,
    trust_code: bool = False,
) -> int:
    """Writes a run's predictions for the rows of a file.

    Args:
        folder: of the run.
        path: a file with the columns of the training data; label columns are not needed and not read.
        output: CSV file: the id of each row, then its prediction.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        on_error: ``stop`` at a wrong row, or ``skip`` and count it.
        format: how the file is written, where it is another way than the training data.
        force: overwrite the output.
        trust_code: Whether the run folder may name classes outside this package, see `TokenModel.from_pretrained`.

    Returns:
        Number of rows predicted.

    Raises:
        InputError: if the folder, the file or the output cannot be used.
    """
    output = check_output(output, force=force, inputs=[path])
    run = RunFolder(folder)
    recipe, device = run.read_recipe(trust_code=trust_code), pick_device(device)
    model, encoding = run.read_trained(trust_code=trust_code)
    model.to(device)
    pieces = encoding.read_pieces(path, targets=False, on_error=on_error, format=format, rows=ROWS_AT_ONCE)
    predicted = _predicted(model, encoding, pieces, recipe.training.max_tokens, "predicting")
    return write_predictions(output, encoding, (predictions for _, predictions in predicted), targets=False)


def write_predictions(path: Path, encoding: Encoding, pieces: Iterable[Predictions], *, targets: bool = True) -> int:
    """Writes predictions as CSV: what each row is for, targets, predictions.

    What a row is for is the ``id`` of a sample; for a token of it also a column ``node`` or ``point``; for a pair of
    tokens two, ``node_1`` and ``node_2``.

    Args:
        path: of the file.
        encoding: of the data.
        pieces: predictions of the model, one after the other; only one of them is in memory. At least one.
        targets: with a column ``target`` (the true class), or a column ``target_<name>`` for each label column, empty
            where it is not known.

    Returns:
        Number of rows.
    """
    tables = (prediction_columns(encoding, predictions, targets=targets) for predictions in pieces)
    first = next(tables)
    count = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal count
        for columns in chain([first], tables):
            for values in zip(*columns.values(), strict=True):
                count += 1
                yield dict(zip(columns, values, strict=True))

    write_csv(path, list(first), rows())
    return count
