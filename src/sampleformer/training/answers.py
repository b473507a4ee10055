"""Answers one below the other, each with what it is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sampleformer.data.sample import Sample
from sampleformer.data.samples import Samples

_LEAST = 1e-30


@dataclass(frozen=True)
class Answers:
    """A model's outputs for samples, or for their tokens or pairs of tokens.

    Args:
        outputs: raw, ``(rows, o)``.
        targets: ``(rows,)`` classes, −1 where unknown, or ``(rows, o)`` float32, NaN where unknown. None: not known.
        ids: name of each sample; the blocks of one scene are one.
        sample: which of the names each row is for, ``(rows,)``.
        tokens: the token that each row is for, ``(rows,)``, or its two tokens, ``(rows, 2)``, as the user's source
            names or counts them. None: rows are for samples.
    """

    outputs: np.ndarray
    targets: np.ndarray | None
    ids: list[str]
    sample: np.ndarray
    tokens: np.ndarray | None = None

    @classmethod
    def of(cls, samples: Samples, outputs: np.ndarray, task: str) -> Answers:
        """The outputs of samples in their order; several answers for one token are averaged.

        A scene that is cut into overlapping blocks has several: for classes and labels the probabilities are averaged,
        for numbers the values. Blocks have the name of their scene and say which of its tokens they hold; other samples
        of the same name remain different ones.

        Args:
            samples: that were answered.
            outputs: as `model_outputs` gives them.
            task: of the encoding.
        """
        if samples.level == "set":
            return cls(outputs, samples.targets, samples.ids, np.arange(len(samples)))
        prepared = [samples[row] for row in range(len(samples))]
        ids, sample = samples.ids, np.arange(len(prepared))
        if prepared[0].index is not None:  # they may be blocks
            ids = list(dict.fromkeys(samples.ids))
            numbers = {name: number for number, name in enumerate(ids)}
            sample = np.array([numbers[name] for name in samples.ids])
        sample = np.repeat(sample, [len(each) if each.pairs is None else len(each.pairs) for each in prepared])
        targets, tokens = _targets(prepared), _joined(prepared, "names")
        if len(ids) < len(prepared):
            first, outputs = _averaged(outputs, np.column_stack([sample, _joined(prepared, "places")]), task)
            sample, tokens = sample[first], tokens[first]
            targets = None if targets is None else targets[first]
        return cls(outputs, targets, ids, sample, tokens)

    @classmethod
    def joined(cls, pieces: Sequence[Answers]) -> Answers:
        """The answers for one piece of a file after the other."""
        starts = np.cumsum([0, *(len(each.ids) for each in pieces[:-1])])
        targets = [each.targets for each in pieces if each.targets is not None]
        tokens = [each.tokens for each in pieces if each.tokens is not None]
        return cls(
            np.concatenate([each.outputs for each in pieces]),
            np.concatenate(targets) if targets else None,
            [name for each in pieces for name in each.ids],
            np.concatenate([each.sample + start for each, start in zip(pieces, starts, strict=True)]),
            np.concatenate(tokens) if tokens else None,
        )

    def with_targets(self) -> Answers:
        """Those whose target is known, at least in part."""
        if self.targets is None:
            return self
        known = self.targets >= 0 if self.targets.ndim == 1 else ~np.isnan(self.targets).all(axis=1)
        tokens = None if self.tokens is None else self.tokens[known]
        return Answers(self.outputs[known], self.targets[known], self.ids, self.sample[known], tokens)


def _targets(samples: Sequence[Sample]) -> np.ndarray | None:
    """Targets of all samples, one after the other; None if they are not known."""
    targets = [each.target for each in samples if each.target is not None]
    return np.concatenate(targets) if targets else None


def _joined(samples: Sequence[Sample], field: str) -> np.ndarray:
    """Names or places of what the rows are for; a token without a name is named by its place."""
    parts = []
    for each in samples:
        values = each.places if (named := getattr(each, field)) is None else named
        parts.append(values if each.pairs is None else values[each.pairs])
    return np.concatenate(parts)


def _averaged(outputs: np.ndarray, keys: np.ndarray, task: str) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each key, and the mean of the outputs of all its rows."""
    _, first, inverse, counts = np.unique(keys, axis=0, return_index=True, return_inverse=True, return_counts=True)
    sums = np.zeros((len(first), outputs.shape[1]))
    np.add.at(sums, inverse.reshape(-1), _averageable(outputs.astype(np.float64), task))
    means = sums / counts[:, None]
    if task == "classification":
        means = np.log(np.maximum(means, _LEAST))
    elif task == "multilabel":
        means = np.log(np.maximum(means, _LEAST)) - np.log(np.maximum(1 - means, _LEAST))
    return first, means.astype(np.float32)


def _averageable(outputs: np.ndarray, task: str) -> np.ndarray:
    """Probabilities of classes and labels; numbers as they are."""
    if task == "classification":
        shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)
    return 0.5 * (1 + np.tanh(0.5 * outputs)) if task == "multilabel" else outputs
