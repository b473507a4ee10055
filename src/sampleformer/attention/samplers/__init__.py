"""How an attention chooses the tokens that it looks at."""

from sampleformer.attention.samplers.base import Sampler
from sampleformer.attention.samplers.choice import Choice, Scores, Selection
from sampleformer.attention.samplers.everything import Everything
from sampleformer.attention.samplers.finite import NonFiniteScores, check_finite
from sampleformer.attention.samplers.importance import ImportanceSampler
from sampleformer.attention.samplers.pairs import PairSampler

__all__ = [
    "Choice",
    "Everything",
    "ImportanceSampler",
    "NonFiniteScores",
    "PairSampler",
    "Sampler",
    "Scores",
    "Selection",
    "check_finite",
]
