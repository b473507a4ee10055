"""Models that are fitted at once, blended with the one that is trained."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sampleformer.data.collate import collate
from sampleformer.data.progress import announced
from sampleformer.data.samples import Samples
from sampleformer.data.source import Splits
from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.models import MODELS, Blend, FittedModel, Model
from sampleformer.models.fitted.base import EXTRA
from sampleformer.settings import Component, validate
from sampleformer.tasks import Loss, is_known
from sampleformer.tasks.columns import columns_of
from sampleformer.tasks.metrics import better
from sampleformer.tokens import Tokens
from sampleformer.training.loss import make_loss
from sampleformer.training.outputs import evaluation_batches, known_targets, model_outputs
from sampleformer.training.predictions import predictions_of
from sampleformer.training.processes import Processes
from sampleformer.training.recipe import Recipe
from sampleformer.training.selection import selecting_metric

MOST_TOKENS = 10_000_000
"""Tokens of the training part that fitted models learn from, of samples drawn at random where there are more."""
_ROUNDS = 50
_FIT = "blend"  # the setting, for messages

log = logging.getLogger("sampleformer")


@dataclass(frozen=True)
class Fitted:
    """A model that was fitted, and what it says.

    Args:
        model: Fitted model.
        valid, test: Its raw outputs for these parts, ``(rows, o)``.
    """

    model: FittedModel
    valid: np.ndarray
    test: np.ndarray


def check_blend(parts: Sequence[Component]) -> None:
    """Finds what is wrong with the models of a blend before the data is read.

    Raises:
        InputError: if one is unknown, none to be fitted, or has a wrong setting, or scikit-learn is missing.
    """
    for each in parts:
        kind = MODELS.resolve(each.name, f"{_FIT}.name")
        if not issubclass(kind, FittedModel):
            known = ", ".join(sorted(name for name, model in MODELS.items() if issubclass(model, FittedModel)))
            raise InputError(
                f"{_FIT}.name: {each.name!r} is trained in steps, expected a model that is fitted: {known}"
            )
        validate(kind.Settings, each.model_dump(), at=f"{_FIT}.{each.name}.")
        require("sklearn", EXTRA)


def fit_parts(recipe: Recipe, splits: Splits, processes: Processes) -> list[Fitted]:
    """Fits the models of a recipe's blend to the training part.

    Of each kind the candidate is kept that is best on the validation part. A kind for which the data has nothing, such
    as descriptors, is left out, with a line that says so.

    Args:
        recipe: Of the run.
        splits: Its data.
        processes: Processes that train together; each fits the same.
    """
    task = splits.encoding.task
    if not recipe.blend:
        return []
    if task.of_tokens or task.from_inputs:
        log.info("%s: nothing is blended, since the labels are not for whole samples", _FIT)
        return []
    fitted = []
    for each in recipe.blend:
        kind: type[FittedModel] = MODELS.resolve(each.name, f"{_FIT}.name")  # type: ignore[assignment]
        if kind.needs and not any(splits.encoding.inputs.get(name) for name in kind.needs):
            log.info("%s: %s is left out, since the data has no %s", _FIT, each.name, " or ".join(kind.needs))
            continue
        with announced(f"fitting {each.name}"):
            fitted.append(_best(kind, each, recipe, splits, processes))
    return fitted


def _best(kind: type[FittedModel], part: Component, recipe: Recipe, splits: Splits, processes: Processes) -> Fitted:
    """The candidate that is best on the validation part."""
    task, most = splits.encoding.task, recipe.training.max_tokens
    metric = selecting_metric(task, recipe.training.selected_by)
    loss = make_loss(task, recipe.training.loss, known_targets(splits.train))
    train = _some(splits.train, recipe.seed)
    batches = evaluation_batches(train, most)
    columns = columns_of(task, known_targets(train)).taken(np.concatenate(batches))
    settings = validate(kind.Settings, part.model_dump(), at=f"{_FIT}.{part.name}.")
    inputs = kind.inputs_of(splits.encoding.inputs)
    best: tuple[FittedModel, np.ndarray, dict[str, float]] | None = None
    worse = 0
    for candidate in kind.candidates(settings, inputs, _chunks(train, batches), columns, recipe.seed):
        outputs = model_outputs(candidate, splits.valid, task, most, _say_nothing, processes)
        scores = scored(splits, outputs, loss)
        if better(metric, scores, best and best[2]):
            best, worse = (candidate, outputs, scores), 0
        else:
            worse += 1
        if worse >= kind.patience:
            break
    assert best is not None
    return Fitted(best[0], best[1], model_outputs(best[0], splits.test, task, most, _say_nothing, processes))


def _some(samples: Samples, seed: int) -> Samples:
    """The samples, or as many of them, drawn at random, as have `MOST_TOKENS` tokens."""
    order = np.random.default_rng(seed).permutation(len(samples))
    kept = order[np.cumsum(samples.lengths[order]) <= MOST_TOKENS]
    return samples if len(kept) == len(samples) else samples.subset(np.sort(kept if len(kept) else order[:1]))


def _chunks(samples: Samples, batches: Sequence[Sequence[int]]) -> Iterator[Tokens]:
    for rows in batches:
        yield collate([samples[row] for row in rows]).tokens


def _say_nothing(done: int) -> None:
    """In the place of a progress bar."""


def scored(splits: Splits, outputs: np.ndarray, loss: Loss) -> dict[str, float]:
    """Metrics of outputs for the validation part, and their loss."""
    targets, task = known_targets(splits.valid), splits.encoding.task
    value = loss(torch.from_numpy(outputs), torch.from_numpy(targets), torch.from_numpy(is_known(targets)))
    return {**task.score(predictions_of(splits.valid, outputs, task)), "loss": float(value)}


def shares_of(outputs: Sequence[np.ndarray], targets: np.ndarray, loss: Loss) -> Float[Tensor, " parts"]:
    """What each of several models weighs in their sum: ``min_u N · loss(Σ_i e^{u_i} y_i) + ½ Σ_i (u_i − log 1/m)²``.

    The second term says that m models weigh the same, about as firmly as one sample: few samples change little.

    Args:
        outputs: Raw outputs of each model for N samples, ``(N, o)``.
        targets: Their targets.
        loss: Loss of the training.

    Returns:
        ``e^u``, float32.
    """
    stacked = torch.from_numpy(np.stack(outputs, axis=-1)).double()
    wanted, known = torch.from_numpy(targets), torch.from_numpy(is_known(targets))
    equal = -float(np.log(len(outputs)))
    u = torch.full((len(outputs),), equal, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([u], max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def cost() -> Tensor:
        search.zero_grad()
        value = len(targets) * loss((stacked * u.exp()).sum(-1), wanted, known) + 0.5 * (u - equal).square().sum()
        value.backward()
        return value

    search.step(cost)
    return u.detach().exp().float()


@dataclass(frozen=True)
class Blending:
    """What a run gives in the end.

    Args:
        model: The trained model, or a blend with those that were fitted.
        test: Its raw outputs for the test part.
        scores: Its scores on the validation part.
        parts: For each model of a blend, its share, and its scores alone on both parts; empty where there is no blend.
    """

    model: Model
    test: np.ndarray
    scores: dict[str, float]
    parts: list[dict[str, Any]]

    @classmethod
    def of(
        cls,
        model: Model,
        test: np.ndarray,
        scores: dict[str, float],
        fitted: Sequence[Fitted],
        splits: Splits,
        recipe: Recipe,
        processes: Processes,
    ) -> Blending:
        """Blends a trained model with fitted ones, by the validation part.

        Args:
            model: Trained model.
            test: Its raw outputs for the test part.
            scores: Its scores on the validation part.
            fitted: Models that were fitted; none: the trained model stays alone.
            splits: Data.
            recipe: Of the run.
            processes: Processes that share the validation part.
        """
        if not fitted:
            return cls(model, test, scores, [])
        task = splits.encoding.task
        loss = make_loss(task, recipe.training.loss, known_targets(splits.train))
        own = model_outputs(model, splits.valid, task, recipe.training.max_tokens, _say_nothing, processes)
        valid, tests = [own, *[each.valid for each in fitted]], [test, *[each.test for each in fitted]]
        shares = shares_of(valid, known_targets(splits.valid), loss)
        names = [model.name, *[each.model.name for each in fitted]]
        parts = [
            {
                "name": name,
                "share": share,
                "valid": scored(splits, before, loss),
                "test": task.score(predictions_of(splits.test, after, task)),
            }
            for name, share, before, after in zip(names, shares.tolist(), valid, tests, strict=True)
        ]
        both = [sum(s * each for s, each in zip(shares.numpy(), group, strict=True)) for group in (valid, tests)]
        made = Blend.of([model, *[each.model for each in fitted]], shares, splits.encoding.inputs).eval()
        return cls(made, both[1], scored(splits, both[0], loss), parts)
