"""A recipe: everything that decides what a training gives."""

from pydantic import Field

from sampleformer.model import ModelSettings
from sampleformer.settings import Component, Settings
from sampleformer.training.settings import TrainingSettings


class Recipe(Settings):
    """Data, model and training under one name.

    Args:
        name: names the run folder.
        description: one line.
        source: the paper or data set that it follows, as a citation.
        seed: of the weights, the order of the samples and all noise of training. The data has a seed of its own, so
            that trainings with other seeds see the same split.
        data: the source of the samples and its arguments.
        model: the model.
        training: the training.
    """

    name: str
    description: str = ""
    source: str = ""
    seed: int = Field(default=0, ge=0, lt=2**32)
    data: Component
    model: ModelSettings = ModelSettings()
    training: TrainingSettings
