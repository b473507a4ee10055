"""How much a model's answer lost when its sample lost tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from jaxtyping import Float

from sampleformer.tasks import Classification, MultiLabel, Task


@dataclass(frozen=True)
class Score:
    """The number whose drop is looked at.

    Args:
        drop: What is looked at, in words: "drop in the probability of the predicted class".
        drops: From the raw outputs ``(m, o)`` for a whole sample and those ``(rows, m, o)`` without some tokens, the
            drops ``(rows, m)``, where m is the number of answers: 1, or one for each token or pair.
    """

    drop: str
    drops: Callable[[Float[np.ndarray, "m o"], Float[np.ndarray, "rows m o"]], Float[np.ndarray, "rows m"]]


@singledispatch
def score_of(task: Task) -> Score:
    """The score of a task: of values the distance from the answer to the whole sample, which is in standard deviations
    of the training targets; of classes and labels a probability.
    """
    return Score(
        "change of the prediction (standard deviations of the training targets)",
        lambda whole, less: np.abs(whole - less).mean(axis=-1),
    )


@score_of.register
def _(task: Classification) -> Score:
    def drops(whole: np.ndarray, less: np.ndarray) -> np.ndarray:
        predicted = whole.argmax(axis=-1)[None, :, None]
        probability = np.take_along_axis(_activated(task, whole[None]), predicted, axis=-1)
        return (probability - np.take_along_axis(_activated(task, less), predicted, axis=-1))[..., 0]

    return Score("drop in the probability of the predicted class", drops)


@score_of.register
def _(task: MultiLabel) -> Score:
    def drops(whole: np.ndarray, less: np.ndarray) -> np.ndarray:
        probability = _activated(task, whole[None])
        # The labels that are predicted; where there is none, the most probable one.
        predicted = probability >= np.minimum(0.5, probability.max(axis=-1, keepdims=True))
        return ((probability - _activated(task, less)) * predicted).sum(axis=-1) / predicted.sum(axis=-1)

    return Score("drop in the probability of the predicted labels, their mean", drops)


def _activated(task: Task, outputs: np.ndarray) -> np.ndarray:
    return task.activation(outputs.reshape(-1, outputs.shape[-1])).reshape(outputs.shape)
