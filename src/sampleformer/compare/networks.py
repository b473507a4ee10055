"""Our model and simple networks, trained by the ordinary training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from sampleformer.compare.kinds import KINDS
from sampleformer.compare.simple_model import Conditions, SimpleModel, Stopwatch, Trial
from sampleformer.data.encoding import Encoding
from sampleformer.data.source import Splits
from sampleformer.explain import write_report
from sampleformer.models import MODELS
from sampleformer.sample import LEVELS
from sampleformer.tasks import Predictions
from sampleformer.training.recipe import Recipe, change
from sampleformer.training.run import train
from sampleformer.training.run_folder import RunFolder
from sampleformer.training.score_terms import SCORE_TERMS

OURS = "sampleformer"
"""Name of our model in tables and sentences."""

_OF_OUR_MODEL = (
    "blend=[]",
    "training.schedules={}",
    *(f"training.{name}=0" for name in SCORE_TERMS),
    "training.init_from=null",
)
"""Changes that take away what only our model has, or what it learnt elsewhere."""


_ADAMS = ("adamw", "adam")
_PLAIN = ("training.optimizer=adamw", "training.learning_rate=0.001")
"""Changes in the place of an optimizer that was chosen for our model."""


class Network(SimpleModel):
    """A model of `MODELS` with its own settings and the training of the recipe.

    Attributes:
        length: How many times as many steps it gets, since each takes so much less time than one of ours.
    """

    length: ClassVar[int] = 1

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe of our model with this one in its place."""
        changes = [f"model.name={self.name}", *_OF_OUR_MODEL]
        changes += [] if MODELS[self.name].takes_descriptors else ["descriptors=[]"]
        changes += [] if recipe.training.optimizer.name in _ADAMS else _PLAIN
        changed, given = change(recipe, changes), recipe.training
        longer = {
            name: None if (value := getattr(given, name)) is None else self.length * value
            for name in ("epochs", "steps", "min_steps")
        }
        return changed.model_copy(update={"training": changed.training.model_copy(update=longer)})

    @classmethod
    def misfit(cls, kind: str, splits: Splits) -> str:
        """The data must have the inputs that the network needs."""
        needed = MODELS[cls.name].needs
        if not (reason := super().misfit(kind, splits)) and not set(needed) & splits.encoding.model_inputs.keys():
            return f"it is for tokens with {' or '.join(needed)}"
        return reason

    def train(self, conditions: Conditions, seed: int) -> Trial:
        """Trains it into a run folder of its own."""
        recipe = self.recipe(conditions.recipe).model_copy(update={"seed": seed})
        if not recipe.descriptors:
            conditions = replace(conditions, splits=without_descriptors(conditions.splits))
        return train_run(recipe, conditions, conditions.folder / f"{self.name}-{seed}")


class Ours(Network):
    """The model of the recipe."""

    name = OURS
    title = OURS
    sees = "all tokens"
    kinds = ()

    def __init__(self, recipe: Recipe) -> None:
        if recipe.model.name != "transformer":
            self.title = f"the model {recipe.model.name}"

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe itself."""
        return recipe


class Bag(Network):
    """A bag of embeddings."""

    name = "bag"
    title = "a bag of embeddings"
    sees = "tokens and pairs of tokens, without their order"
    kinds = ("texts", "codes")


class Gin(Network):
    """A graph isomorphism network."""

    name = "gin"
    title = "GIN"
    sees = "nodes and their neighbours, five steps far"
    kinds = ("molecules", "graphs")
    levels = LEVELS[:2]
    length = 4


class PointNet(Network):
    """PointNet."""

    name = "pointnet"
    title = "PointNet"
    sees = "the coordinates of points"
    kinds = ("clouds",)


class Dgcnn(Network):
    """DGCNN, which takes several times as long as PointNet."""

    name = "dgcnn"
    title = "DGCNN"
    sees = "the coordinates of points and their nearest ones"
    kinds = ("clouds",)
    default: ClassVar[bool] = False


class Perceptron(Network):
    """A perceptron over the descriptors, where there are any."""

    name = "mlp"
    title = "a perceptron over descriptors"
    sees = "the descriptors of whole samples, and no tokens"
    kinds = KINDS


def without_descriptors(splits: Splits) -> Splits:
    """The data for models that see tokens alone."""
    known = splits.encoding
    if known.descriptors is None:
        return splits
    return replace(splits, encoding=Encoding(known.inputs, known.task, known.id_column, known.format))


def train_run(recipe: Recipe, conditions: Conditions, folder: Path) -> Trial:
    """Trains by a recipe into a run folder, with its report.

    Args:
        recipe: Of the training.
        conditions: Of the comparison.
        folder: Of the run.
    """
    found: list[Predictions] = []
    taken: list[tuple[float, float]] = []
    watch = Stopwatch()

    def finished(run: RunFolder, splits: Splits, predictions: Predictions) -> None:
        taken.append(watch.seconds)  # without the report
        found.append(predictions)
        write_report(run.path, test=splits.test, trust_code=True)

    run = train(
        recipe,
        folder,
        device=conditions.device,
        command=conditions.command,
        quiet=conditions.quiet,
        finished=finished,
        splits=conditions.splits,
    )
    results = run.read_results()
    assert results is not None
    return Trial(
        found[0],
        results["best"]["test"],
        results["best"]["valid"],
        *taken[0],
        size=results["parameters"],
        chosen=f"the weights of step {results['best']['step']:,} of {results['last']['step']:,}",
        run=run.path,
    )
