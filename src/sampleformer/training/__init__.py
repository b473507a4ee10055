"""Training a model, and what a trained model says about data."""

from sampleformer.training.evaluation import evaluate, predict
from sampleformer.training.joining import blend
from sampleformer.training.predictor import Predictor
from sampleformer.training.recipe import Recipe
from sampleformer.training.run import train
from sampleformer.training.run_folder import RunFolder
from sampleformer.training.settings import TrainingSettings

__all__ = ["Predictor", "Recipe", "RunFolder", "TrainingSettings", "blend", "evaluate", "predict", "train"]
