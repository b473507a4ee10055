"""Outputs of a model for samples as predictions, one row for each target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sampleformer.data.encoding import Encoding
from sampleformer.data.samples import Samples
from sampleformer.sample import Sample
from sampleformer.tasks import Predictions, Task


def predictions_of(samples: Samples, outputs: np.ndarray, task: Task) -> Predictions:
    """Outputs for samples in their order; several for one token are averaged.

    A scene that is cut into overlapping blocks has several: `Task.activation` of them is averaged, which is the
    probability of classes and labels. Blocks have the name of their scene and say which of its tokens they hold; other
    samples of the same name remain different ones.

    Args:
        samples: Samples that were put through the model.
        outputs: Raw outputs as `model_outputs` gives them, ``(rows, o)``.
        task: Task of the outputs.
    """
    if not task.of_tokens:
        return Predictions(outputs, samples.targets, samples.ids, np.arange(len(samples)))
    prepared = [samples[row] for row in range(len(samples))]
    ids, sample = samples.ids, np.arange(len(prepared))
    if prepared[0].index is not None:  # they may be blocks
        ids = list(dict.fromkeys(samples.ids))
        numbers = {name: number for number, name in enumerate(ids)}
        sample = np.array([numbers[name] for name in samples.ids])
    sample = np.repeat(sample, [each.rows for each in prepared])
    targets, tokens = _targets(prepared), _joined(prepared, "names")
    if len(ids) < len(prepared):
        first, outputs = _averaged(outputs, np.column_stack([sample, _joined(prepared, "places")]), task)
        sample, tokens = sample[first], tokens[first]
        targets = None if targets is None else targets[first]
    return Predictions(outputs, targets, ids, sample, tokens)


def prediction_columns(encoding: Encoding, predictions: Predictions, *, targets: bool) -> dict[str, list[Any]]:
    """Predictions as columns: names of the samples, tokens that rows are for, targets, decoded outputs.

    Args:
        encoding: Encoding of the data.
        predictions: Predictions of the model.
        targets: Whether known targets are among the columns.
    """
    task = encoding.task
    predictions = task.restrict(predictions)
    columns: dict[str, list[Any]] = {"id": [predictions.ids[number] for number in predictions.sample.tolist()]}
    columns |= _token_columns(encoding.unit, predictions.tokens)
    if predictions.targets is not None and (targets or task.from_inputs):
        columns |= task.decode_targets(predictions.targets)
    return columns | task.decode(predictions.outputs)


def _token_columns(unit: str, tokens: np.ndarray | None) -> dict[str, list[Any]]:
    if tokens is None:
        return {}
    if tokens.ndim == 1:
        return {unit: tokens.tolist()}
    return {f"{unit}_{place + 1}": tokens[:, place].tolist() for place in range(2)}


def _targets(samples: Sequence[Sample]) -> np.ndarray | None:
    """Targets of all samples, one after the other; None if they are not known."""
    targets = [each.target for each in samples if each.target is not None]
    return np.concatenate(targets) if targets else None


def _joined(samples: Sequence[Sample], field: str) -> np.ndarray:
    """Names or places of what the rows are for; a token without a name is named by its place."""
    parts = []
    for each in samples:
        values = each.places if (named := getattr(each, field)) is None else named
        chosen = each.asked if each.pairs is None else each.pairs
        parts.append(values if chosen is None else values[chosen])
    return np.concatenate(parts)


def _averaged(outputs: np.ndarray, keys: np.ndarray, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each key, and the mean of the outputs of all its rows."""
    _, first, inverse, counts = np.unique(keys, axis=0, return_index=True, return_inverse=True, return_counts=True)
    sums = np.zeros((len(first), outputs.shape[1]))
    np.add.at(sums, inverse.reshape(-1), task.activation(outputs.astype(np.float64)))
    return first, task.inverse_activation(sums / counts[:, None]).astype(np.float32)
