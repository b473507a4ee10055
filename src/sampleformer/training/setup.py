"""Data and model of a training, checked and ready before its folder is made."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from torch import Tensor

from sampleformer.data.progress import announced
from sampleformer.data.source import Source, Splits
from sampleformer.errors import InputError
from sampleformer.models import Model
from sampleformer.training.blending import BlendPart, check_blend, fit_parts
from sampleformer.training.building import check_model, make_model
from sampleformer.training.data_record import DataRecord, load_again
from sampleformer.training.learning_rate import rate_factor
from sampleformer.training.loss import make_loss
from sampleformer.training.optimizers import optimizer_of
from sampleformer.training.outputs import example_targets
from sampleformer.training.processes import check_samples
from sampleformer.training.recipe import Recipe, described, make_source
from sampleformer.training.resuming import ANY_PROCESSES
from sampleformer.training.selection import selecting_metric
from sampleformer.training.session import Session
from sampleformer.training.shared_tokens import share_tokens
from sampleformer.training.starting import Start
from sampleformer.training.timing import TimeLimit, fit_to_time
from sampleformer.weights import most_tensors

MOST_TENSORS = 100_000
"""Parameters and buffers of a model; one with so many layers would be built for minutes before it failed."""

log = logging.getLogger("sampleformer")


@dataclass(frozen=True)
class Setup:
    """What a training is made of.

    Args:
        recipe: Recipe of the run, with what depends on data, time and processes decided.
        splits: Data.
        record: What the run remembers of the data.
        model: Model with its first weights.
        fitted: Models that its outputs are blended with.
        start: Run whose weights it starts from. None: it starts anew, or goes on.
    """

    recipe: Recipe
    splits: Splits
    record: DataRecord
    model: Model
    fitted: tuple[BlendPart, ...]
    start: Start | None = None


def set_up(
    recipe: Recipe, session: Session, trained: dict[str, Tensor], *, source: Source | None, splits: Splits | None
) -> Setup:
    """Reads the data and builds the model; finds all that can be wrong with recipe, data and model.

    Args:
        recipe: Recipe of the run.
        session: Folder, processes and device.
        trained: Weights of the last checkpoint of a run that goes on; a new run has none.
        source: Data in the place of the recipe's.
        splits: What the recipe's data gives, where that has been read already.

    Raises:
        InputError: if something is wrong.
    """
    processes = session.processes
    start = None
    if recipe.training.init_from and not session.resumes:
        start = Start.of(recipe.training.init_from, trust_code=session.trust_code)
    check_blend(recipe.blend)
    check_model(recipe, session.device, most_tensors(trained) if trained else MOST_TENSORS)
    with announced("reading the data"), processes.first_on_each_host():
        splits, record = _load(recipe, session, source, start, splits)
    processes.check_alike({"training data": record.digest_of(splits)})
    # A run keeps nothing of its processes: it may go on with others.
    training = check_samples(recipe.training, processes, len(splits.train)).model_copy(update=ANY_PROCESSES)
    recipe = recipe.model_copy(update={"training": training})
    model = make_model(recipe, splits, session.folder, trained, session.device)
    _check_training(recipe, splits, model)
    if start is not None:
        start.fill(model, splits.encoding.task)
    if processes.tokens is not None:
        share_tokens(model, splits.train, recipe.training, processes.tokens, session.device)
    fitted = fit_parts(recipe, splits, processes)
    if session.limit is not None and recipe.training.steps is None:
        recipe = _fitted_to_time(model, splits, recipe, session, session.limit)
    return Setup(recipe, splits, record, model, tuple(fitted), start)


def _load(
    recipe: Recipe, session: Session, source: Source | None, start: Start | None, splits: Splits | None
) -> tuple[Splits, DataRecord]:
    """The samples and what the run remembers of them; a training that goes on must have those that it began with."""
    in_memory = source is not None
    if session.resumes:
        record = DataRecord.read(session.folder)
        if source is None:
            splits = load_again(session.folder, recipe)
        else:
            splits = described(source, recipe.descriptors).load()
            record.check_split(splits, recipe.data.name)
    else:
        source = make_source(recipe) if source is None else described(source, recipe.descriptors)
        if start is not None:
            start.prepare(source)
        if splits is None or start is not None:
            splits = source.load()
        record = DataRecord.of(recipe, source, splits, session.folder, in_memory=in_memory)
    _check_splits(splits, recipe)
    return splits, record


def _check_splits(splits: Splits, recipe: Recipe) -> None:
    selecting_metric(splits.encoding.task, recipe.training.selected_by)
    for name in ("train", "valid", "test"):
        try:
            example_targets(getattr(splits, name))
        except InputError as error:
            raise InputError(f"data, {name} part: {error}") from error


def _check_training(recipe: Recipe, splits: Splits, model: Model) -> None:
    """Makes the parts of the loop once, to find what is wrong with their settings."""
    make_loss(splits.encoding.task, recipe.training.loss, example_targets(splits.train))
    optimizer_of(recipe.training, model)
    rate_factor(recipe.training, total_steps=1)


def _fitted_to_time(model: Model, splits: Splits, recipe: Recipe, session: Session, limit: TimeLimit) -> Recipe:
    """The recipe with as many steps as fit into the time."""
    from sampleformer.training.costs import measured_costs

    processes = session.processes
    with announced("timing the first steps"):
        costs = measured_costs(model, splits, recipe, device=session.device, seconds=limit.seconds, processes=processes)
    settings = recipe.training
    batches = -(-len(splits.train) // (settings.accumulate * settings.batch_size))
    settings, words = fit_to_time(settings, costs, processes.agreed(limit.seconds - limit.spent), batches)
    log.info("%s", words)
    limit.check = costs.check
    return recipe.model_copy(update={"training": settings})
