"""Whether a model's answer hangs on the tokens that its heads chose: they are deleted, and as many others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sampleformer.data.collate import collate
from sampleformer.errors import InputError
from sampleformer.explain.deletion import without
from sampleformer.explain.scores import Score, score_of
from sampleformer.sample import LEVELS
from sampleformer.training.outputs import questions_of

if TYPE_CHECKING:
    from sampleformer.data.batch import Batch
    from sampleformer.explain.choices import Choices
    from sampleformer.models import TokenModel
    from sampleformer.sample import Sample
    from sampleformer.tasks import Task
    from sampleformer.tokens import Tokens

STEPS = 10
"""Numbers of deleted tokens at which a model is asked: a tenth of the chosen ones, two tenths, …"""

_TOKENS_AT_ONCE = 16384


@dataclass(frozen=True)
class Deletions:
    """How tokens are deleted.

    Args:
        draws: Draws of the random tokens, and of the order among equally chosen ones. At least 1.
        seed: Seed of the draws, beside what the sample holds. At least 0.

    Raises:
        InputError: if one of them is too small.
    """

    draws: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("draws", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: found {getattr(self, name)}, expected at least {least}")


@dataclass(frozen=True)
class Faithfulness:
    """Drop of a model's score over the number of deleted tokens.

    Args:
        drop: What dropped, in words.
        numbers: Deleted tokens, `STEPS` of them, ascending; the last is all that any head chose.
        chosen: Drop after so many chosen tokens were deleted, those that most heads chose first, in several draws:
            chance decides among tokens that equally many heads chose. NaN where nothing was left to be asked about.
        random: Drop after as many random tokens were deleted, in as many draws.
    """

    drop: str
    numbers: Int[np.ndarray, " steps"]
    chosen: Float[np.ndarray, "draws steps"]
    random: Float[np.ndarray, "draws steps"]

    @property
    def of_chosen(self) -> float:
        """Comprehensiveness of the choice: the mean over draws and numbers of deleted tokens."""
        return float(mean_of_known(self.chosen, None))

    @property
    def of_random(self) -> float:
        """The same of random tokens."""
        return float(mean_of_known(self.random, None))


@torch.inference_mode()
def faithfulness(
    model: TokenModel, task: Task, sample: Sample, choices: Choices, deletions: Deletions | None = None
) -> Faithfulness | None:
    """The drop of a model's score when the tokens that its heads chose are deleted, and when random ones are.

    With ``m(x)_j`` the score of a sample ``x``, ``j`` the class predicted for it, and ``r_q`` the ``q`` tokens that
    most heads of all layers chose, the comprehensiveness of the choice is the mean over numbers of deleted tokens::

        1/|Q| · Σ_{q ∈ Q} (m(x)_j − m(x \\ r_q)_j)        Q = {⌈c/10⌉, ⌈2c/10⌉, …, c},  c: tokens that any head chose

    The same of random tokens in the place of ``r_q`` is what any deletion costs: a choice is faithful as far as its own
    drop is larger. Of a graph, random nodes stand for nodes and random edges for edges. What ``x \\ r`` is, see
    `deletion.without`; ``m`` is the probability of the class, or for values the distance from the answer to the whole
    sample (`scores.score_of`). For answers for tokens or pairs it is the mean over those that are not deleted.

    Args:
        model: In evaluation mode.
        task: Task of its outputs.
        sample: Sample as the model sees it.
        choices: What `explain` says the model chose of it.
        deletions: How tokens are deleted. None: ten draws with the seed 0.

    Returns:
        None: all tokens were chosen equally often, or none was, so that there is nothing to compare.

    Source: DeYoung et al. 2020, ERASER (arXiv 1911.03429), section 4, where the numbers are 1, 5, 10, 20 and 50 % of a
    text; the curve over single deletions is that of Petsiuk et al. 2018, RISE (arXiv 1806.07421), section 4.
    """
    deletions = deletions or Deletions()
    counts = choices.counts
    most = int((counts > 0).sum())
    if not most or counts.min() == counts.max():
        return None
    numbers = np.ceil(most * np.arange(1, STEPS + 1) / STEPS).astype(np.int64)
    is_edge = np.arange(len(counts)) >= len(sample)
    generator = np.random.default_rng([deletions.seed, sample.digest()])
    orders = [_orders(counts, is_edge, generator) for _ in range(deletions.draws)]
    # (chosen or random, draw, step, token)
    ranks = np.stack([[np.argsort(order) for order in each] for each in zip(*orders, strict=True)])
    deleted = ranks[:, :, None] < numbers[:, None]
    distinct, places = np.unique(deleted.reshape(-1, len(counts)), axis=0, return_inverse=True)
    score = score_of(task)
    drops = _drops(model, sample, distinct, score)[places.reshape(-1)]
    chosen, random = drops.reshape(2, deletions.draws, STEPS)
    return Faithfulness(score.drop, numbers, chosen, random)


def _orders(counts: np.ndarray, is_edge: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """All tokens in the order in which they are deleted, and as many of the same kinds in a random order."""
    chosen = np.lexsort((generator.random(len(counts)), -counts))
    random = np.empty_like(chosen)
    for kind in (False, True):
        random[is_edge[chosen] == kind] = generator.permutation(np.flatnonzero(is_edge == kind))
    return chosen, random


def _drops(
    model: TokenModel, sample: Sample, deleted: Bool[np.ndarray, "rows tokens"], score: Score
) -> Float[np.ndarray, " rows"]:
    """The drop of the score for each set of deleted tokens."""
    batch = collate([sample])
    whole = _outputs(model, batch, batch.tokens)[0]
    rows = max(1, _TOKENS_AT_ONCE // deleted.shape[1])
    found = []
    for start in range(0, len(deleted), rows):
        some = deleted[start : start + rows]
        less = _outputs(model, batch, without(batch.tokens, some, directed=sample.directed))
        found.append(mean_of_known(np.where(_answered(sample, some), score.drops(whole, less), np.nan), 1))
    return np.concatenate(found)


def _outputs(model: TokenModel, batch: Batch, tokens: Tokens) -> Float[np.ndarray, "rows m o"]:
    """Raw outputs for a batch made of one sample, asked what is asked of that."""
    questions = {name: value.expand(tokens.batch, *value.shape[1:]) for name, value in questions_of(batch).items()}
    outputs: Tensor = model(tokens, **questions)
    return (outputs[:, None] if batch.answered is None else outputs).double().cpu().numpy()


def _answered(sample: Sample, deleted: Bool[np.ndarray, "rows tokens"]) -> Bool[np.ndarray, "rows m"]:
    """Which answers are for what is still there."""
    if sample.level == LEVELS[0]:
        return np.ones((len(deleted), 1), dtype=bool)
    if sample.pairs is not None:
        return ~np.asarray(deleted[:, sample.pairs].any(axis=-1))
    return ~deleted[:, np.arange(len(sample)) if sample.asked is None else sample.asked]


def mean_of_known(values: np.ndarray, axis: int | None) -> np.ndarray:
    """Mean over what is not NaN; NaN where all is."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis)
    return np.divide(total, known.sum(axis), out=np.full_like(total, np.nan), where=known.sum(axis) > 0)
