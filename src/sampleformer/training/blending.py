"""Models as one: what is fitted at once, and what each of several weighs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sampleformer.allocator import return_freed_memory
from sampleformer.data.collate import collate
from sampleformer.data.progress import announced
from sampleformer.data.samples import Samples
from sampleformer.data.source import Splits
from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.models import MODELS, Blend, FittedModel, Model
from sampleformer.models.blend import MOST_PARTS
from sampleformer.models.fitted.base import EXTRA
from sampleformer.settings import Component, validate
from sampleformer.tasks import Loss, is_known
from sampleformer.tasks.columns import FORMS, columns_of
from sampleformer.tasks.metrics import better
from sampleformer.tokens import Tokens
from sampleformer.training.loss import make_loss
from sampleformer.training.outputs import evaluation_batches, known_targets, model_outputs
from sampleformer.training.predictions import predictions_of
from sampleformer.training.processes import Processes
from sampleformer.training.recipe import Recipe
from sampleformer.training.selection import selecting_metric
from sampleformer.wording import count

MOST_TOKENS = 10_000_000
"""Tokens of the training part that fitted models learn from, of samples drawn at random where there are more."""
MOST_NUMBERS = 60_000_000
"""Descriptors of the training part that fitted models learn from, likewise."""
_ROUNDS = 50
_TINY = 1e-12
_FIT = "blend"  # the setting, for messages

log = logging.getLogger("sampleformer")


@dataclass(frozen=True)
class BlendPart:
    """A model of a blend, ready, and what it says.

    Args:
        name: What it is called in the results.
        model: Fitted or trained model.
        valid, test: Its raw outputs for these parts of the data, ``(rows, o)``.
    """

    name: str
    model: Model
    valid: np.ndarray
    test: np.ndarray

    @classmethod
    def of(
        cls,
        name: str,
        model: Model,
        splits: Splits,
        most: int,
        processes: Processes,
        test: np.ndarray | None = None,
    ) -> BlendPart:
        """A model with its outputs.

        Args:
            name: What it is called in the results.
            model: Ready model.
            splits: Data.
            most: Most tokens of a batch.
            processes: Processes that share the samples.
            test: Outputs for the test part, where they are known already.
        """

        def outputs(samples: Samples) -> np.ndarray:
            return model_outputs(model, samples, splits.encoding.task, most, None, processes)

        return cls(name, model, outputs(splits.valid), outputs(splits.test) if test is None else test)


def check_blend(parts: Sequence[Component], trained: int = 1) -> None:
    """Finds what is wrong with the models of a blend before the data is read.

    Args:
        parts: Models that are to be fitted.
        trained: Number of trained models to which they come.

    Raises:
        InputError: if they are too many, or one is unknown, none to be fitted, or has a wrong setting, or scikit-learn
            is missing.
    """
    most = MOST_PARTS - trained
    if len(parts) > most:
        beside = count(trained, "trained model")
        raise InputError(f"{_FIT}: found {count(len(parts), 'model')}, expected at most {most} beside {beside}")
    for each in parts:
        kind = MODELS.resolve(each.name, f"{_FIT}.name")
        if not issubclass(kind, FittedModel):
            known = ", ".join(sorted(name for name, model in MODELS.items() if issubclass(model, FittedModel)))
            raise InputError(
                f"{_FIT}.name: {each.name!r} is trained in steps, expected a model that is fitted: {known}"
            )
        validate(kind.Settings, each.model_dump(), at=f"{_FIT}.{each.name}.")
        require("sklearn", EXTRA)


def fit_parts(recipe: Recipe, splits: Splits, processes: Processes) -> list[BlendPart]:
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
    if task.losses[0] not in FORMS:
        log.info("%s: nothing is blended, since nothing can be fitted by the loss %s", _FIT, task.losses[0])
        return []
    fitted: list[BlendPart] = []
    for each in recipe.blend:
        kind: type[FittedModel] = MODELS.resolve(each.name, f"{_FIT}.name")  # type: ignore[assignment]
        if kind.needs and not any(splits.encoding.model_inputs.get(name) for name in kind.needs):
            log.info("%s: %s is left out, since the data has no %s", _FIT, each.name, " or ".join(kind.needs))
            continue
        with announced(f"fitting {each.name}"):
            best = _best(kind, each, recipe, splits, processes)
        return_freed_memory()  # or it stands under the peak of the next one
        if best is None:
            log.info("%s: %s is left out, since it found nothing to learn from", _FIT, each.name)
        else:
            fitted.append(best)
    return fitted


def _best(
    kind: type[FittedModel], part: Component, recipe: Recipe, splits: Splits, processes: Processes
) -> BlendPart | None:
    """The candidate that is best on the validation part."""
    task, most = splits.encoding.task, recipe.training.max_tokens
    metric = selecting_metric(task, recipe.training.selected_by)
    loss = make_loss(task, recipe.training.loss, known_targets(splits.train))
    train = _some(splits.train, kind, splits.encoding.model_inputs, recipe.seed)
    batches = evaluation_batches(train, most)
    columns = columns_of(task, known_targets(train)).taken(np.concatenate(batches))
    settings = validate(kind.Settings, part.model_dump(), at=f"{_FIT}.{part.name}.")
    inputs = kind.inputs_of(splits.encoding.model_inputs)
    best: tuple[FittedModel, dict[str, float]] | None = None
    worse = 0
    for candidate in kind.candidates(settings, inputs, _chunks(train, batches), columns, recipe.seed):
        outputs = model_outputs(candidate, splits.valid, task, most, None, processes)
        scores = scored(splits, outputs, loss)
        if better(metric, scores, best and best[1]):
            best, worse = (candidate, scores), 0
        else:
            worse += 1
        del candidate  # or it stands under the peak of the next one
        if worse >= kind.patience:
            break
    if best is None:
        return None
    chosen = best[0]
    chosen.complete()
    return BlendPart.of(kind.name, chosen, splits, most, processes)


def _some(samples: Samples, kind: type[FittedModel], inputs: Mapping[str, Any], seed: int) -> Samples:
    """The samples, or as many of them, drawn at random, as have so many tokens or descriptors in all."""
    described = len(inputs.get("descriptors", ())) if kind.takes_descriptors else 0
    sizes = np.full(len(samples), described) if described else samples.lengths
    order = np.random.default_rng(seed).permutation(len(samples))
    kept = order[np.cumsum(sizes[order]) <= (MOST_NUMBERS if described else MOST_TOKENS)]
    if len(kept) == len(samples):
        return samples
    kept = kept if len(kept) else order[:1]
    log.info("%s: %s is fitted to %d of %d samples, drawn at random", _FIT, kind.name, len(kept), len(samples))
    return samples.subset(np.sort(kept))


def _chunks(samples: Samples, batches: Sequence[Sequence[int]]) -> Iterator[Tokens]:
    for rows in batches:
        yield collate([samples[row] for row in rows]).tokens


def scored(splits: Splits, outputs: np.ndarray, loss: Loss) -> dict[str, float]:
    """Metrics of outputs for the validation part, and their loss."""
    targets, task = known_targets(splits.valid), splits.encoding.task
    value = loss(torch.from_numpy(outputs), torch.from_numpy(targets), torch.from_numpy(is_known(targets)))
    return {**task.score(predictions_of(splits.valid, outputs, task)), "loss": float(value)}


def factors_of(outputs: Sequence[np.ndarray], targets: np.ndarray, loss: Loss) -> Float[Tensor, " parts"]:
    """What each of several models weighs in their sum: ``min_u N · L(Σ_i e^{u_i} y_i) + ½ Σ_i (u_i − log 1/m)²``.

    L is the loss where that is a negative log-likelihood, else ``½ log`` of it, which no unit changes. The second term
    says that m models weigh the same: few samples change little.

    Args:
        outputs: Raw outputs of each model, ``(rows, o)``.
        targets: Their targets, of which N rows are known.
        loss: Loss of the training.

    Returns:
        ``e^u``, float32.
    """
    stacked = torch.from_numpy(np.stack(outputs, axis=-1)).double()
    known = torch.from_numpy(is_known(targets))
    wanted = torch.from_numpy(targets)
    wanted = wanted.double() if wanted.is_floating_point() else wanted
    rows = int((known if known.ndim == 1 else known.any(1)).sum())
    equal = -float(np.log(len(outputs)))
    u = torch.full((len(outputs),), equal, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([u], max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def cost() -> Tensor:
        search.zero_grad()
        value = loss((stacked * u.exp()).sum(-1), wanted, known)
        if not loss.is_likelihood:
            value = 0.5 * value.clamp(min=_TINY).log()
        total = rows * value + 0.5 * (u - equal).square().sum()
        total.backward()
        return total

    search.step(cost)
    return u.detach().exp().float()


@dataclass(frozen=True)
class Blending:
    """What a run gives in the end.

    Args:
        model: The trained model, or a blend with others.
        test: Its raw outputs for the test part.
        scores: Its scores on the validation part.
        parts: For each model of a blend, its factor, and its scores alone on both parts; empty where there is no blend.
    """

    model: Model
    test: np.ndarray
    scores: dict[str, float]
    parts: list[dict[str, Any]]

    @classmethod
    def of(cls, parts: Sequence[BlendPart], splits: Splits, recipe: Recipe) -> Blending:
        """Blends models, by the validation part.

        Args:
            parts: The models, the main one first.
            splits: Data.
            recipe: Of the run.
        """
        task = splits.encoding.task
        loss = make_loss(task, recipe.training.loss, known_targets(splits.train))
        factors = factors_of([each.valid for each in parts], known_targets(splits.valid), loss)
        alone = [
            {
                "name": each.name,
                "factor": factor,
                "valid": scored(splits, each.valid, loss),
                "test": task.score(predictions_of(splits.test, each.test, task)),
            }
            for each, factor in zip(parts, factors.tolist(), strict=True)
        ]
        valid = sum(s * each.valid for s, each in zip(factors.numpy(), parts, strict=True))
        test = sum(s * each.test for s, each in zip(factors.numpy(), parts, strict=True))
        made = Blend.of([each.model for each in parts], factors, splits.encoding.model_inputs).eval()
        return cls(made, test, scored(splits, valid, loss), alone)
